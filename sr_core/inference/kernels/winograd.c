/* 3x3 convolutions in fp32 on a CPU by Winograd's minimal filtering F(4x4, 3x3): a quarter of the multiplications.
 *
 * Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, sections 4.1 and 4.3. A result is
 * cut into tiles of 4x4 pixels. The 6x6 pixels that one depends on are transformed (B^T d B), each of the 36 numbers
 * that this gives for a channel, a frequency, is multiplied by the weights' of that frequency (inputs x outputs), and
 * the products are transformed back (A^T m A). BATCH tiles go through together, few enough to stay in the second-level
 * cache; bias and activation are applied while they are there.
 *
 * Each tile takes the same operations in the same order wherever it stands, so that a part of a picture has the bits
 * that it has in the whole one, as long as its tiles are those of the whole one.
 *
 * Pictures are (height, width, channels), and channels come in multiples of CHANNEL_STEP. setup.py compiles this once
 * for each width of vectors, and winograd.py calls it.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX2__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif

enum {
    TILE = 4,
    SEEN = TILE + 2,
    FREQUENCIES = SEEN * SEEN,
    GROUP = 6,         /* tiles whose products are summed up at once */
    BATCH = 2 * GROUP, /* tiles that go through together */
    CHANNEL_STEP = 16, /* a multiple of LANES */
    RUNS = 2 * TILE,   /* rows of pixels that are needed soon: a batch's results, and what the next one sees */
    CALLS_FOR_A_RUN = FREQUENCIES * BATCH / GROUP / RUNS,
    SOON_STEP = 4 * BATCH * TILE / CALLS_FOR_A_RUN + 1, /* bytes of a run for each channel */
};

typedef float vector __attribute__((vector_size(4 * LANES)));
typedef int32_t mask __attribute__((vector_size(4 * LANES)));
typedef float unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

static inline vector load(const float *from) { return *(const unaligned *)from; }
static inline void store(float *to, vector value) { *(unaligned *)to = value; }
static inline int at_least(int value, int least) { return value < least ? least : value; }
static inline int at_most(int value, int most) { return value > most ? most : value; }

/* A batch lies by group of tiles, frequency, tile, channel. What one frequency takes is no multiple of 4 KiB, so that a
 * tile's frequencies do not fall into the same few lines of the cache. */
static inline size_t frequency_size(int channels) { return (size_t)GROUP * channels + CHANNEL_STEP; }
static inline size_t batch_size(int channels) { return BATCH / GROUP * FREQUENCIES * frequency_size(channels); }

static inline float *tile_in(float *batch, int tile, int channels) {
    return batch + tile / GROUP * FREQUENCIES * frequency_size(channels) + tile % GROUP * channels;
}

/* B^T d */
static inline void transform_seen(const vector d[SEEN], vector t[SEEN]) {
    vector a = d[4] - 4 * d[2], b = d[3] - 4 * d[1], c = d[4] - d[2], e = 2 * (d[3] - d[1]);
    t[0] = c + 4 * (d[0] - d[2]);
    t[1] = a + b;
    t[2] = a - b;
    t[3] = c + e;
    t[4] = c - e;
    t[5] = d[5] - d[3] - 2 * e;
}

/* A^T m */
static inline void transform_product(const vector m[SEEN], vector y[TILE]) {
    vector a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], e = m[3] - m[4];
    y[0] = m[0] + a + c;
    y[1] = b + 2 * e;
    y[2] = a + 4 * c;
    y[3] = b + 8 * e + m[5];
}

/* With the bias, and multiplied by the slope where that is negative. */
static inline vector activated(vector sum, vector bias, vector slope) {
    vector value = sum + bias, below = value * slope;
    mask is_positive = value > (vector){0};
    return (vector)((is_positive & (mask)value) | (~is_positive & (mask)below));
}

/* 6x6 pixels, `pitch` floats a row, to one tile's place in each frequency. One copy of it, so that all round alike. */
static __attribute__((noinline)) void to_frequencies(const float *pixels, size_t pitch, int channels, float *tile) {
    for (int channel = 0; channel < channels; channel += LANES) {
        vector columns[SEEN][SEEN];
        for (int x = 0; x < SEEN; x++) {
            vector d[SEEN], t[SEEN];
            for (int y = 0; y < SEEN; y++) d[y] = load(pixels + y * pitch + x * channels + channel);
            transform_seen(d, t);
            for (int y = 0; y < SEEN; y++) columns[y][x] = t[y];
        }
        for (int y = 0; y < SEEN; y++) {
            vector t[SEEN];
            transform_seen(columns[y], t);
            for (int x = 0; x < SEEN; x++) store(tile + (y * SEEN + x) * frequency_size(channels) + channel, t[x]);
        }
    }
}

/* The way back, to 4x4 pixels, activated. */
static __attribute__((noinline)) void to_pixels(
    const float *tile, int channels, const float *bias, const float *slope, float *pixels, size_t pitch) {
    for (int channel = 0; channel < channels; channel += LANES) {
        vector columns[TILE][SEEN];
        for (int x = 0; x < SEEN; x++) {
            vector m[SEEN], y[TILE];
            for (int i = 0; i < SEEN; i++) m[i] = load(tile + (i * SEEN + x) * frequency_size(channels) + channel);
            transform_product(m, y);
            for (int i = 0; i < TILE; i++) columns[i][x] = y[i];
        }
        for (int y = 0; y < TILE; y++) {
            vector sums[TILE];
            transform_product(columns[y], sums);
            for (int x = 0; x < TILE; x++)
                store(pixels + y * pitch + x * channels + channel,
                      activated(sums[x], load(bias + channel), load(slope + channel)));
        }
    }
}

/* products (GROUP x VECTORS) = values (GROUP x inputs) times weights (inputs x VECTORS), all sums being in registers.
 *
 * Meanwhile, what is needed soon comes into the second-level cache, evenly, so that weights need not wait for it. */
#define MULTIPLICATION(NAME, VECTORS, VALUE)                                                                           \
    static void NAME##_##VECTORS(const float *values, const float *weights, int inputs, float *products, int outputs,  \
                                 const char *soon) {                                                                   \
        vector sums[GROUP][VECTORS];                                                                                   \
        for (int row = 0; row < GROUP; row++)                                                                          \
            for (int v = 0; v < VECTORS; v++) sums[row][v] = (vector){0};                                              \
        for (int i = 0; i < inputs; i++) {                                                                             \
            vector step[VECTORS];                                                                                      \
            __builtin_prefetch(soon + i * SOON_STEP, 0, 2);                                                            \
            for (int v = 0; v < VECTORS; v++) step[v] = load(weights + (i * VECTORS + v) * LANES);                     \
            for (int row = 0; row < GROUP; row++)                                                                      \
                for (int v = 0; v < VECTORS; v++) sums[row][v] += VALUE * step[v];                                     \
        }                                                                                                              \
        for (int row = 0; row < GROUP; row++)                                                                          \
            for (int v = 0; v < VECTORS; v++) store(products + row * outputs + v * LANES, sums[row][v]);               \
    }

typedef void multiplication(const float *values, const float *weights, int inputs, float *products, int outputs,
                            const char *soon);

/* For one, two, … CHANNEL_STEPs of outputs at once: as many sums as there are registers for. */
#if defined(__AVX512F__)
#define MULTIPLICATIONS(NAME, VALUE)                                                                                   \
    MULTIPLICATION(NAME, 1, VALUE)                                                                                     \
    MULTIPLICATION(NAME, 2, VALUE)                                                                                     \
    MULTIPLICATION(NAME, 3, VALUE)                                                                                     \
    MULTIPLICATION(NAME, 4, VALUE)                                                                                     \
    static multiplication *const NAME[] = {NAME##_1, NAME##_2, NAME##_3, NAME##_4};
#elif defined(__AVX2__)
#define MULTIPLICATIONS(NAME, VALUE)                                                                                   \
    MULTIPLICATION(NAME, 2, VALUE)                                                                                     \
    static multiplication *const NAME[] = {NAME##_2};
#else
#define MULTIPLICATIONS(NAME, VALUE)                                                                                   \
    MULTIPLICATION(NAME, 4, VALUE)                                                                                     \
    static multiplication *const NAME[] = {NAME##_4};
#endif

MULTIPLICATIONS(BY_ROW, values[row * inputs + i])    /* values lie row by row */
MULTIPLICATIONS(BY_INPUT, values[i * GROUP + row])   /* or input by input */

/* Of the sources that this is compiled of (setup.py). */
unsigned source_id(void) { return SOURCE_ID; }

/* So many channels' weights lie together, each input's one after another (`Library._ready`). */
int panel_channels(void) { return CHANNEL_STEP * (int)(sizeof BY_ROW / sizeof *BY_ROW); }

/* products = values times weights, for a group of tiles or of pixels. */
static void multiply(multiplication *const *by, const float *values, const float *weights, int inputs, int outputs,
                     float *products, const char *soon) {
    for (int channel = 0, width; channel < outputs; channel += width) {
        width = at_most(outputs - channel, panel_channels());
        by[width / CHANNEL_STEP - 1](values, weights + channel * inputs, inputs, products + channel, outputs, soon);
    }
}

/* A rectangle of pixels, and its first one's place in a picture: rows and columns from there are the picture's. */
struct view {
    float *pixels;
    int height, width, channels;
    int top, left;
};

static float *pixel(const struct view *view, int y, int x) {
    return view->pixels + ((ptrdiff_t)(y - view->top) * view->width + x - view->left) * view->channels;
}

static int holds(const struct view *view, int y, int x, int side) {
    return y >= view->top && x >= view->left && y + side <= view->top + view->height &&
           x + side <= view->left + view->width;
}

/* Copies what a view holds of a square of pixels into it (`is_reading`), or out of it. Returns whether what is
 * overwritten had other bits. */
static int copy_held(const struct view *view, int y, int x, int side, float *square, int is_reading) {
    int from = at_least(x, view->left), to = at_most(x + side, view->left + view->width);
    if (from >= to) return 0;
    int differs = 0;
    size_t size = sizeof(float) * (to - from) * view->channels;
    for (int row = at_least(y, view->top); row < at_most(y + side, view->top + view->height); row++) {
        float *inside = pixel(view, row, from), *beside = square + ((row - y) * side + from - x) * view->channels;
        float *target = is_reading ? beside : inside;
        const float *origin = is_reading ? inside : beside;
        differs |= memcmp(target, origin, size);
        memcpy(target, origin, size);
    }
    return differs != 0;
}

/* Floats that a layer needs to work with. */
size_t work_size(int inputs, int outputs) {
    return batch_size(inputs) + batch_size(outputs) + FREQUENCIES * at_least(inputs, outputs);
}

/* The tiles that a rectangle of pixels lies in, row by row. They begin at rows and columns that are `offset` more than
 * multiples of TILE. */
struct grid {
    int top, left, across, tiles;
};

static struct grid grid_of(const struct view *view, int offset) {
    int top = view->top - ((view->top - offset) & (TILE - 1)), left = view->left - ((view->left - offset) & (TILE - 1));
    int across = (view->left + view->width - left + TILE - 1) / TILE;
    return (struct grid){top, left, across, across * ((view->top + view->height - top + TILE - 1) / TILE)};
}

static int row_of(struct grid grid, int tile) { return grid.top + tile / grid.across * TILE; }
static int column_of(struct grid grid, int tile) { return grid.left + tile % grid.across * TILE; }

/* Which tiles of a grid are computed: those whose numbers are listed, in ascending order, or all. Of those listed is
 * noted whether computing them has changed a bit of a layer, if there is room for that. */
struct choice {
    const int32_t *listed;
    int count; /* below 0 for all: a list of none may lie nowhere */
    uint8_t *changed;
};

static int count_of(const struct choice *choice, struct grid grid) {
    return choice->count < 0 ? grid.tiles : choice->count;
}
static int chosen(const struct choice *choice, int index) { return choice->listed ? choice->listed[index] : index; }

/* Where a row of a picture's pixels lies that begins there, as near as there is one. */
static const char *run_at(const struct view *view, int y, int x) {
    return (const char *)pixel(view, at_most(at_least(y, view->top), view->top + view->height - 1), x);
}

/* A whole picture: (colors, height, width). */
struct planes {
    const float *samples;
    int colors, height, width;
};

/* For GROUP pixels of a row, from (y, x), what a 3x3 convolution sees: (colors, 3, 3, GROUP), and zeros beyond the
 * picture. */
enum { SIDE = 3, WINDOW = GROUP + SIDE - 1 };
static void gather(const struct planes *planes, int y, int x, float *taps) {
    int before = at_least(1 - x, 0), after = at_least(x - 1 + WINDOW - planes->width, 0);
    for (int color = 0; color < planes->colors; color++)
        for (int row = y - 1; row < y - 1 + SIDE; row++, taps += SIDE * GROUP) {
            int is_inside = row >= 0 && row < planes->height;
            const float *near = planes->samples + ((ptrdiff_t)color * planes->height + row) * planes->width + x - 1;
            float line[WINDOW] = {0};
            if (before || after || !is_inside) {
                if (is_inside) memcpy(line + before, near + before, sizeof(float) * (WINDOW - before - after));
                near = line;
            }
            for (int j = 0; j < SIDE; j++) memcpy(taps + j * GROUP, near + j, sizeof(float) * GROUP);
        }
}

/* The first layer: computes `result`, of a whole picture (colors, height, width).
 *
 * Not by Winograd: so few channels do not fill a vector. */
void convolve_planes(const float *samples, int colors, int height, int width, const struct view *result, int offset,
                     const struct choice *choice, const float *weights, const float *bias, const float *slope,
                     float *work) {
    struct planes planes = {samples, colors, height, width};
    struct grid grid = grid_of(result, offset);
    int taps = colors * SIDE * SIDE, outputs = result->channels, count = count_of(choice, grid);
    float *values = work, *products = values + GROUP * taps;
    for (int begun = 0, end; begun < count; begun = end) { /* a run of tiles beside one another */
        int first = chosen(choice, begun), row = row_of(grid, first), column = column_of(grid, first);
        for (end = begun + 1; end < count && chosen(choice, end) == first + end - begun; end++)
            if (row_of(grid, first + end - begun) != row) break;
        uint8_t *changed = choice->changed ? choice->changed + begun : NULL;
        if (changed) memset(changed, 0, end - begun);
        int right = at_most(column + (end - begun) * TILE, result->left + result->width);
        for (int y = at_least(row, result->top); y < at_most(row + TILE, result->top + result->height); y++)
            for (int x = at_least(column, result->left); x < right; x += GROUP) {
                gather(&planes, y, x, values);
                multiply(BY_INPUT, values, weights, taps, outputs, products, run_at(result, y, x + GROUP));
                for (int i = 0; i < at_most(right - x, GROUP); i++) {
                    float *sums = products + i * outputs, *to = pixel(result, y, x + i);
                    for (int channel = 0; channel < outputs; channel += LANES)
                        store(sums + channel,
                              activated(load(sums + channel), load(bias + channel), load(slope + channel)));
                    if (changed) changed[(x + i - column) / TILE] |= memcmp(to, sums, sizeof(float) * outputs) != 0;
                    memcpy(to, sums, sizeof(float) * outputs);
                }
            }
    }
}

/* What the last layer's result becomes: by pixel shuffle, on the nearest pixel, a picture `scale` times as large. */
struct enlargement {
    const float *planes; /* (colors, height, width), the whole picture */
    float *result;       /* (colors, rows * scale, columns * scale), of the part that begins at top and left */
    int colors, height, width, scale;
    int rows, columns, top, left;
};

static inline __attribute__((always_inline)) void enlarge_by(
    int scale, const struct enlargement *into, const struct view *view, int y, int x, const float *square) {
    int top = at_least(y, view->top), bottom = at_most(y + TILE, view->top + view->height);
    int left = at_least(x, view->left), right = at_most(x + TILE, view->left + view->width);
    for (int row = top; row < bottom; row++)
        for (int line = 0; line < into->colors * scale; line++) {
            size_t color = line / scale;
            const float *near = into->planes + (color * into->height + row) * into->width;
            float *to = into->result +
                        ((color * into->rows + row - into->top) * scale + line % scale) * into->columns * scale;
            for (int column = left; column < right; column++) {
                const float *from = square + ((row - y) * TILE + column - x) * view->channels + line * scale;
                for (int i = 0; i < scale; i++) to[(column - into->left) * scale + i] = from[i] + near[column];
            }
        }
}

static void enlarge(const struct enlargement *into, const struct view *view, int y, int x, const float *square) {
    switch (into->scale) { /* the usual ones, known to the compiler */
    case 2: enlarge_by(2, into, view, y, x, square); break;
    case 4: enlarge_by(4, into, view, y, x, square); break;
    default: enlarge_by(into->scale, into, view, y, x, square);
    }
}

/* One layer: computes `result` or, if that is given, its part of `enlargement` instead. Beyond `picture`, it sees
 * zeros.
 *
 * What the tiles see that `result` lies in must be in `picture`, or outside of the whole picture; else the bits are not
 * those of the whole one. */
void convolve(const struct view *picture, const struct view *result, const struct enlargement *enlargement, int offset,
              const struct choice *choice, const float *weights, const float *bias, const float *slope, float *work) {
    int inputs = picture->channels, outputs = result->channels;
    float *rows = work, *products = rows + batch_size(inputs), *square = products + batch_size(outputs);
    struct grid grid = grid_of(result, offset);
    int tiles = count_of(choice, grid);
    for (int first = 0; first < tiles; first += BATCH) {
        int count = at_most(tiles - first, BATCH);
        for (int tile = 0; tile < count; tile++) {
            int number = chosen(choice, first + tile), y = row_of(grid, number) - 1, x = column_of(grid, number) - 1;
            float *to = tile_in(rows, tile, inputs);
            if (holds(picture, y, x, SEEN)) {
                to_frequencies(pixel(picture, y, x), (size_t)picture->width * inputs, inputs, to);
            } else {
                memset(square, 0, sizeof(float) * FREQUENCIES * inputs);
                copy_held(picture, y, x, SEEN, square, 1);
                to_frequencies(square, (size_t)SEEN * inputs, inputs, to);
            }
        }
        const char *runs[RUNS];
        int begun = chosen(choice, first), next = chosen(choice, at_most(first + BATCH, tiles - 1));
        for (int row = 0; row < TILE; row++) {
            int y = row_of(grid, begun) + row;
            runs[row] = enlargement ? (const char *)work : run_at(result, y, column_of(grid, begun));
            runs[row + TILE] = run_at(picture, row_of(grid, next) + row + 1, column_of(grid, next));
        }
        for (int frequency = 0, call = 0; frequency < FREQUENCIES; frequency++)
            for (int tile = 0; tile < BATCH; tile += GROUP, call++) {
                if (tile >= count) continue; /* of a group that is begun, what is left there is multiplied as well */
                multiply(BY_ROW, tile_in(rows, tile, inputs) + frequency * frequency_size(inputs),
                         weights + (size_t)frequency * inputs * outputs, inputs, outputs,
                         tile_in(products, tile, outputs) + frequency * frequency_size(outputs),
                         runs[call / CALLS_FOR_A_RUN] + call % CALLS_FOR_A_RUN * SOON_STEP * inputs);
            }
        for (int tile = 0; tile < count; tile++) {
            int number = chosen(choice, first + tile), y = row_of(grid, number), x = column_of(grid, number);
            const float *from = tile_in(products, tile, outputs);
            if (!enlargement && !choice->changed && holds(result, y, x, TILE)) {
                to_pixels(from, outputs, bias, slope, pixel(result, y, x), (size_t)result->width * outputs);
                continue;
            }
            int differs = 1;
            to_pixels(from, outputs, bias, slope, square, (size_t)TILE * outputs);
            if (enlargement) enlarge(enlargement, result, y, x, square);
            else differs = copy_held(result, y, x, TILE, square, 0);
            if (choice->changed) choice->changed[first + tile] = differs;
        }
    }
}
