/* Calls one function of kernels/winograd.c on a CPU of another kind: its arguments come by standard input, what it
 * computes goes to standard output (test_winograd_neon.py). All numbers are of four bytes. */
#include <stdio.h>
#include <stdlib.h>

#include "winograd.c"

enum { FIRST, INNER, LAST }; /* of a network's layers */

struct given {
    int layer, grid, scale;
    int colors, height, width; /* of planes */
    struct { int height, width, channels, top, left; } picture, result;
    struct { int rows, columns, top, left; } enlarged;
};

static void take(void *to, size_t size) {
    if (fread(to, 1, size, stdin) != size) exit(1);
}

/* After their number, `count`. */
static float *taken(int *count) {
    take(count, sizeof *count);
    float *values = malloc(sizeof(float) * at_least(*count, 1));
    if (!values) exit(2);
    take(values, sizeof(float) * *count);
    return values;
}

int main(void) {
    struct given g;
    int count, computed;
    take(&g, sizeof g);
    float *planes = taken(&count), *seen = taken(&count), *weights = taken(&count), *bias = taken(&count),
          *slope = taken(&count), *values = taken(&computed);
    int inputs = g.layer == FIRST ? 9 * g.colors + CHANNEL_STEP : g.picture.channels; /* at least */
    float *work = malloc(sizeof(float) * work_size(inputs, g.result.channels));
    if (!work) return 2;
    struct view picture = {seen, g.picture.height, g.picture.width, g.picture.channels, g.picture.top, g.picture.left};
    struct view result = {g.layer == LAST ? NULL : values, g.result.height, g.result.width, g.result.channels,
                          g.result.top, g.result.left};
    struct enlargement enlarged = {planes, values, g.colors, g.height, g.width, g.scale,
                                   g.enlarged.rows, g.enlarged.columns, g.enlarged.top, g.enlarged.left};
    struct choice all = {NULL, -1, NULL};
    if (g.layer == FIRST)
        convolve_planes(planes, g.colors, g.height, g.width, &result, g.grid, &all, weights, bias, slope, work);
    else convolve(&picture, &result, g.layer == LAST ? &enlarged : NULL, g.grid, &all, weights, bias, slope, work);
    return fwrite(values, sizeof(float), computed, stdout) != (size_t)computed;
}
