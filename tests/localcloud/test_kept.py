"""What is kept of answers that cannot change."""

from collections.abc import Iterator

from localcloud.kept import answers


def test_each_question_is_asked_once() -> None:
    asked: list[str] = []

    def lengths(*words: str) -> list[int]:
        asked.extend(words)
        return [len(word) for word in words]

    kept = answers(lengths, None)

    assert [kept("a", "bc"), kept("def"), kept("a", "bc")] == [[1, 2], [3], [1, 2]]
    assert asked == ["a", "bc", "def"]


def test_what_comes_one_by_one_comes_whole_every_time() -> None:
    def names() -> Iterator[str]:
        yield from ("one", "two")

    kept = answers(names, None)

    assert [list(kept()), list(kept())] == [["one", "two"]] * 2
