/* Colour conversion between planes of integers and RGB on a CPU, in one pass each way. The formulas are those of
 * inference/color.py, where they have their sources; rounding is not.
 *
 * A row is computed by blocks of columns, all in loops of BLOCK steps that the compiler makes vectors of. What does not
 * fill a block is computed as one all the same, beside the picture. Should a step be left to scalar code, that rounds
 * alike: no sum below has two products that round, so that there is one way to fuse it. So planes of a part of a picture
 * have the bits of the whole one's.
 *
 * Lines are rows of floats in `work`: index 0 is the first column that is computed, and PAD lie around.
 * setup.py compiles this once for each width of vectors, and own_planes.py calls it.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    BLOCK = 64,     /* columns that are computed at once */
    PAD = 16,       /* before a line */
    LINES_HELD = 4, /* rows of a colour difference that one row of chroma is made of */
    LINES = 4 + 2 * LINES_HELD,
};

enum kind { GRAY, DIFFERENCES, CHANNELS };

/* What planes are, and mean. */
struct format {
    int kind;
    int right, down; /* samples of luma for one of chroma: 2 or 1 */
    int is_cosited_right, is_cosited_down;
    int bytes; /* of a sample: 1 or 2 */
    float black, center, most; /* codes: of black, of no difference, the largest */
    float luma_span, blue_span, red_span; /* codes for 1 of luma, and of a channel's difference to it */
    float red, blue; /* weights of luma, green having what is left */
    float blue_by_blue, green_by_blue, green_by_red, red_by_red; /* codes of luma for one of a difference */
};

struct plane {
    char *samples;
    ptrdiff_t pitch; /* bytes from row to row */
};

/* Channels lie one after another, rows without gaps. */
struct picture {
    float *samples;
    int height, width;
};

struct part {
    int top, bottom, left, right; /* half-open */
};

#define KERNEL static __attribute__((noinline)) void
static inline int at_least(int value, int least) { return value < least ? least : value; }
static inline int at_most(int value, int most) { return value > most ? most : value; }
static inline int within(int value, int length) { return at_most(at_least(value, 0), length - 1); }

/* Floats from line to line. An odd number of blocks, so that lines do not fall into the same few lines of the cache. */
static ptrdiff_t line_size(int width) { return (ptrdiff_t)((width / BLOCK + 4) | 1) * BLOCK; }

static float *line_in(float *work, int line, int width) { return work + PAD + line * line_size(width); }

/* Floats that a picture needs to work with. */
size_t planes_work_size(int width) { return (size_t)LINES * line_size(width); }

static float *row_of(const struct picture *picture, int channel, int y) {
    return picture->samples + ((ptrdiff_t)channel * picture->height + y) * picture->width;
}

/* One block: luma, and what blue and red differ from it. */
KERNEL separate(const float *restrict red, const float *restrict green, const float *restrict blue, float red_weight,
                float blue_weight, float *restrict luma, float *restrict blue_difference,
                float *restrict red_difference) {
    for (int i = 0; i < BLOCK; i++) {
        float without_blue = green[i] + red_weight * (red[i] - green[i]);
        float all = without_blue + blue_weight * (blue[i] - green[i]);
        luma[i] = all;
        blue_difference[i] = blue[i] - all;
        red_difference[i] = red[i] - all;
    }
}

/* Weights (1, 2, 1)/4 of three samples, around the one in the middle, and (1, 3, 3, 1)/8 of four. */
static inline float of_three(float a, float b, float c) { return ((a + c) + 2 * b) * 0.25f; }
static inline float of_four(float a, float b, float c, float d) { return ((a + d) + 3 * (b + c)) * 0.125f; }

/* One block, half as wide as what it is made of. */
KERNEL halve(const float *restrict line, int is_cosited, float *restrict half) {
    if (is_cosited)
        for (int i = 0; i < BLOCK; i++) half[i] = of_three(line[2 * i - 1], line[2 * i], line[2 * i + 1]);
    else
        for (int i = 0; i < BLOCK; i++)
            half[i] = of_four(line[2 * i - 1], line[2 * i], line[2 * i + 1], line[2 * i + 2]);
}

/* The same from row to row. */
KERNEL join(const float *restrict a, const float *restrict b, const float *restrict c, const float *restrict d,
            int is_cosited, float *restrict sum) {
    if (is_cosited)
        for (int i = 0; i < BLOCK; i++) sum[i] = of_three(a[i], b[i], c[i]);
    else
        for (int i = 0; i < BLOCK; i++) sum[i] = of_four(a[i], b[i], c[i], d[i]);
}

/* The nearest code, as a float; what is none becomes 0. */
static inline float code(float value, float span, float zero, float most) {
    float raised = value * span + (zero + 0.5f), positive = raised > 0 ? raised : 0;
    return positive < most ? positive : most;
}

KERNEL encode_narrow(const float *restrict line, float span, float zero, float most, uint8_t *restrict samples) {
    for (int i = 0; i < BLOCK; i++) samples[i] = (uint8_t)(int32_t)code(line[i], span, zero, most);
}

KERNEL encode_wide(const float *restrict line, float span, float zero, float most, uint16_t *restrict samples) {
    for (int i = 0; i < BLOCK; i++) samples[i] = (uint16_t)(int32_t)code(line[i], span, zero, most);
}

/* Rounds `count` columns of a line into a row of a plane, from one of its columns. */
static void write_samples(const float *line, int count, float span, float zero, const struct format *format,
                          const struct plane *plane, int y, int x) {
    char *row = plane->samples + y * plane->pitch + (ptrdiff_t)x * format->bytes;
    for (int column = 0; column < count; column += BLOCK) {
        uint16_t cut_off[BLOCK];
        int is_whole = count - column >= BLOCK;
        char *to = row + (ptrdiff_t)column * format->bytes;
        void *samples = is_whole ? (void *)to : cut_off;
        if (format->bytes == 1) encode_narrow(line + column, span, zero, format->most, samples);
        else encode_wide(line + column, span, zero, format->most, samples);
        if (!is_whole) memcpy(to, cut_off, (size_t)(count - column) * format->bytes);
    }
}

/* A row of a picture as lines, in the columns of a part and one beside it, where there is one: elsewhere, the last ones
 * are repeated. */
static void separate_row(const struct picture *picture, int y, const struct part *part, const struct format *format,
                         float *luma, float *blue, float *red) {
    int first = at_least(part->left - 1, 0), count = at_most(part->right + 1, picture->width) - first;
    int index = first - part->left, end = part->right - part->left;
    const float *channels[3];
    for (int channel = 0; channel < 3; channel++) channels[channel] = row_of(picture, channel, y) + first;
    for (int column = 0; column < count; column += BLOCK, index += BLOCK) {
        float cut_off[3][BLOCK];
        const float *from[3];
        for (int channel = 0; channel < 3; channel++) {
            from[channel] = channels[channel] + column;
            if (count - column >= BLOCK) continue;
            memset(cut_off[channel], 0, sizeof cut_off[channel]);
            memcpy(cut_off[channel], from[channel], sizeof(float) * (size_t)(count - column));
            from[channel] = cut_off[channel];
        }
        separate(from[0], from[1], from[2], format->red, format->blue, luma + index, blue + index, red + index);
    }
    if (part->left == 0) blue[-1] = blue[0], red[-1] = red[0];
    if (part->right == picture->width)
        for (int beyond = 0; beyond < 2; beyond++) blue[end + beyond] = blue[end - 1], red[end + beyond] = red[end - 1];
}

static void write_channels(const struct picture *picture, const struct format *format, const struct plane planes[3],
                           const struct part *part, float *line) {
    static const int order[3] = {1, 2, 0}; /* of planes: green, blue, red */
    int count = part->right - part->left;
    for (int y = part->top; y < part->bottom; y++)
        for (int plane = 0; plane < 3; plane++) {
            memcpy(line, row_of(picture, order[plane], y) + part->left, sizeof(float) * (size_t)count);
            write_samples(line, count, format->luma_span, format->black, format, planes + plane, y, part->left);
        }
}

/* A row of a colour difference, of those above and below one that chroma has: from `held`, where they lie in turn. */
static const float *joined(float *const held[LINES_HELD], int y, int height, int count, int is_cosited, float *sum) {
    const float *rows[LINES_HELD];
    for (int row = 0; row < LINES_HELD; row++) rows[row] = held[within(y - 1 + row, height) % LINES_HELD];
    for (int x = 0; x < count; x += BLOCK) join(rows[0] + x, rows[1] + x, rows[2] + x, rows[3] + x, is_cosited, sum + x);
    return sum;
}

/* Makes planes of a part of a picture, and of as much around it as makes it whole samples of chroma. */
void write_planes(const struct picture *picture, const struct format *format, const struct plane planes[3],
                  const struct part *wanted, float *work) {
    int height = picture->height, width = picture->width, right = format->right, down = format->down;
    struct part part = {
        wanted->top / down * down,
        at_most((wanted->bottom + down - 1) / down * down, height),
        wanted->left / right * right,
        at_most((wanted->right + right - 1) / right * right, width),
    };
    int count = part.right - part.left, halves = (count + right - 1) / right;
    float *luma = line_in(work, 0, width), *sum = line_in(work, 1, width), *held[2][LINES_HELD];
    float *const differences[2] = {line_in(work, 2, width), line_in(work, 3, width)};
    const float spans[2] = {format->blue_span, format->red_span};
    for (int line = 0; line < 2 * LINES_HELD; line++)
        held[line / LINES_HELD][line % LINES_HELD] = line_in(work, 4 + line, width);
    if (format->kind == CHANNELS) {
        write_channels(picture, format, planes, &part, luma);
        return;
    }
    int next = down == 2 ? at_least(part.top - 1, 0) : part.top;
    for (int y = part.top; y < part.bottom; y += down) {
        int end = down == 2 ? at_most(y + 3 - format->is_cosited_down, height) : y + 1;
        for (; next < end; next++) {
            separate_row(picture, next, &part, format, luma, differences[0], differences[1]);
            if (next >= part.top && next < part.bottom)
                write_samples(luma, count, format->luma_span, format->black, format, planes, next, part.left);
            for (int color = 0; color < 2 && right == 2; color++)
                for (int x = 0; x < halves; x += BLOCK)
                    halve(differences[color] + 2 * x, format->is_cosited_right,
                          held[color][next % LINES_HELD] + x);
        }
        for (int color = 0; color < 2 && format->kind == DIFFERENCES; color++) {
            const float *line = right == 1 ? differences[color] : held[color][y % LINES_HELD];
            if (down == 2) line = joined(held[color], y, height, halves, format->is_cosited_down, sum);
            write_samples(line, halves, spans[color], format->center, format, planes + 1 + color, y / down,
                          part.left / right);
        }
    }
}

/* Codes of two rows, less that of zero, and weighted: exact, weights being quarters. One block. */
KERNEL mix_narrow(const uint8_t *near, const uint8_t *far, float near_weight, float far_weight, float zero,
                  float *restrict line) {
    for (int i = 0; i < BLOCK; i++)
        line[i] = near_weight * ((float)near[i] - zero) + far_weight * ((float)far[i] - zero);
}

KERNEL mix_wide(const uint16_t *near, const uint16_t *far, float near_weight, float far_weight, float zero,
                float *restrict line) {
    for (int i = 0; i < BLOCK; i++)
        line[i] = near_weight * ((float)near[i] - zero) + far_weight * ((float)far[i] - zero);
}

/* Two rows of a plane, and what each weighs. */
struct rows {
    int near, far;
    float near_weight, far_weight;
};

static void read_samples(const struct plane *plane, const struct rows *rows, int count, float zero, int bytes,
                         float *line) {
    const char *near = plane->samples + rows->near * plane->pitch, *far = plane->samples + rows->far * plane->pitch;
    for (int column = 0; column < count; column += BLOCK) {
        uint16_t cut_off[2][BLOCK];
        const void *from[2] = {near + (ptrdiff_t)column * bytes, far + (ptrdiff_t)column * bytes};
        if (count - column < BLOCK) {
            memset(cut_off, 0, sizeof cut_off);
            for (int row = 0; row < 2; row++)
                from[row] = memcpy(cut_off[row], from[row], (size_t)(count - column) * bytes);
        }
        if (bytes == 1) mix_narrow(from[0], from[1], rows->near_weight, rows->far_weight, zero, line + column);
        else mix_wide(from[0], from[1], rows->near_weight, rows->far_weight, zero, line + column);
    }
}

/* One block of chroma between whose samples others come: exact as well. */
KERNEL widen(const float *restrict half, int is_cosited, float *restrict line) {
    if (is_cosited)
        for (int i = 0; i < BLOCK; i++) {
            line[2 * i] = half[i];
            line[2 * i + 1] = 0.5f * half[i] + 0.5f * half[i + 1];
        }
    else
        for (int i = 0; i < BLOCK; i++) {
            line[2 * i] = 0.75f * half[i] + 0.25f * half[i - 1];
            line[2 * i + 1] = 0.75f * half[i] + 0.25f * half[i + 1];
        }
}

/* One block of RGB. */
KERNEL compose(const float *restrict luma, const float *restrict blue_difference, const float *restrict red_difference,
               const struct format *format, float unit, float *restrict red, float *restrict green,
               float *restrict blue) {
    float red_by_red = format->red_by_red, green_by_red = format->green_by_red;
    float green_by_blue = format->green_by_blue, blue_by_blue = format->blue_by_blue;
    for (int i = 0; i < BLOCK; i++) {
        red[i] = (luma[i] + red_by_red * red_difference[i]) * unit;
        blue[i] = (luma[i] + blue_by_blue * blue_difference[i]) * unit;
        float without_blue = luma[i] + green_by_red * red_difference[i];
        green[i] = (without_blue + green_by_blue * blue_difference[i]) * unit;
    }
}

KERNEL scale(const float *restrict line, float unit, float *restrict channel) {
    for (int i = 0; i < BLOCK; i++) channel[i] = line[i] * unit;
}

/* Writes lines into a row of a picture: luma and its differences, or green, blue, red. */
static void write_row(float *const lines[3], const struct format *format, const struct picture *picture, int y) {
    float unit = 1 / format->luma_span;
    for (int column = 0; column < picture->width; column += BLOCK) {
        float cut_off[3][BLOCK], *channels[3], *to[3];
        int count = at_most(picture->width - column, BLOCK);
        for (int channel = 0; channel < 3; channel++) {
            channels[channel] = row_of(picture, channel, y) + column;
            to[channel] = count == BLOCK ? channels[channel] : cut_off[channel];
        }
        const float *from[3] = {lines[0] + column, lines[1] + column, lines[2] + column};
        if (format->kind == CHANNELS)
            for (int channel = 0; channel < 3; channel++) scale(from[(channel + 2) % 3], unit, to[channel]);
        else compose(from[0], from[1], from[2], format, unit, to[0], to[1], to[2]);
        for (int channel = 0; channel < 3 && count < BLOCK; channel++)
            memcpy(channels[channel], cut_off[channel], sizeof(float) * (size_t)count);
    }
}

/* The rows of chroma between which a row of luma lies, of `height`; beyond them, the last ones are repeated. */
static struct rows rows_of_chroma(int y, int height, const struct format *format) {
    if (format->down == 1) return (struct rows){y, y, 1, 0};
    int near = y / 2, is_odd = y % 2, below = at_most(near + 1, height - 1);
    if (format->is_cosited_down) return (struct rows){near, below, is_odd ? 0.5f : 1, is_odd ? 0.5f : 0};
    return (struct rows){near, is_odd ? below : at_least(near - 1, 0), 0.75f, 0.25f};
}

/* A row of a colour difference, in the columns of luma. */
static void read_difference(const struct plane *plane, const struct picture *picture, int y,
                            const struct format *format, float *half, float *line) {
    struct rows rows = rows_of_chroma(y, (picture->height + format->down - 1) / format->down, format);
    if (format->right == 1) {
        read_samples(plane, &rows, picture->width, format->center, format->bytes, line);
        return;
    }
    int width = (picture->width + 1) / 2;
    read_samples(plane, &rows, width, format->center, format->bytes, half);
    half[-1] = half[0];
    half[width] = half[width - 1];
    for (int x = 0; x < width; x += BLOCK) widen(half + x, format->is_cosited_right, line + 2 * x);
}

/* Makes a picture of planes. */
void write_rgb(const struct plane planes[3], const struct format *format, const struct picture *picture, float *work) {
    int width = picture->width;
    float *const lines[3] = {line_in(work, 0, width), line_in(work, 1, width), line_in(work, 2, width)};
    float *half = line_in(work, 3, width);
    for (int line = 1; line < 3 && format->kind == GRAY; line++)
        memset(lines[line], 0, sizeof(float) * (line_size(width) - PAD));
    for (int y = 0; y < picture->height; y++) {
        const struct rows alone = {y, y, 1, 0};
        for (int plane = 0; plane < (format->kind == CHANNELS ? 3 : 1); plane++)
            read_samples(planes + plane, &alone, width, format->black, format->bytes, lines[plane]);
        for (int plane = 1; plane < 3 && format->kind == DIFFERENCES; plane++)
            read_difference(planes + plane, picture, y, format, half, lines[plane]);
        write_row(lines, format, picture, y);
    }
}
