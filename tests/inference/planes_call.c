/* Calls one function of kernels/planes.c for a whole picture on a CPU of another kind: its arguments come by standard
 * input, what it makes goes to standard output (test_own_planes_neon.py). */
#include <stdio.h>
#include <stdlib.h>

#include "planes.c"

struct given {
    struct format format;
    int makes_planes, height, width;
};

static void take(void *to, size_t size) {
    if (fread(to, 1, size, stdin) != size) exit(1);
}

static void give(const void *from, size_t size) {
    if (fwrite(from, 1, size, stdout) != size) exit(1);
}

int main(void) {
    struct given g;
    take(&g, sizeof g);
    struct plane planes[3];
    size_t sizes[3], size = sizeof(float) * 3 * g.height * g.width;
    for (int i = 0; i < 3; i++) {
        int right = i ? g.format.right : 1, down = i ? g.format.down : 1;
        planes[i].pitch = (g.width + right - 1) / right * g.format.bytes;
        sizes[i] = i && g.format.kind == GRAY ? 0 : planes[i].pitch * ((g.height + down - 1) / down);
        planes[i].samples = calloc(1, sizes[i] + 1);
    }
    struct picture picture = {calloc(1, size), g.height, g.width};
    struct part whole = {0, g.height, 0, g.width};
    float *work = malloc(sizeof(float) * planes_work_size(g.width));
    if (g.makes_planes) {
        take(picture.samples, size);
        write_planes(&picture, &g.format, planes, &whole, work);
        for (int i = 0; i < 3; i++) give(planes[i].samples, sizes[i]);
    } else {
        for (int i = 0; i < 3; i++) take(planes[i].samples, sizes[i]);
        write_rgb(planes, &g.format, &picture, work);
        give(picture.samples, size);
    }
    return 0;
}
