"""What an upscaled video is worth, to be seen: figures, and a page that shows it beside its source.

`comparison` looks at the videos, `page` writes HTML of what it found.
"""
