// One layer of a compact network: a 3×3 convolution of half-precision features with zeros beyond the picture, its bias,
// and an activation with a slope for each channel; or, after the last convolution, the pixel shuffle and the picture
// beneath. Sums are in fp32 and rounded once, at the end, if at all.
//
// It is a matrix product over the pixels (implicit GEMM). A block takes a tile of 16 columns and some rows, brings it with
// the pixels around it into shared memory, once, and reads it from there nine times, each time shifted: to ldmatrix a
// shift is another address, nothing else. Weights come from the first-level cache in the order in which each thread needs
// them, one step ahead, so that no warp waits for another between the tile's arrival and its own last sum.
//
// A sum's order is the same for every size of tile: by taps, row by row, and within a tap by sixteens of channels.
//
// What only a GPU can do is in gpu.cuh; tests run this file on a CPU with stand-ins for that.

constexpr int COLUMNS = 16;  // of a tile: the rows of one tensor core operand
constexpr int WARPS = 4;
constexpr int THREADS = 32 * WARPS;
constexpr int STEP = 16;  // channels that one multiplication takes

// Bytes from one pixel to the next in shared memory: an odd number of sixteens, so that the eight pixels which ldmatrix
// reads at once lie in different banks.
__host__ __device__ constexpr int pixel_bytes(int channels) { return 2 * channels + 16; }

__host__ __device__ constexpr int larger(int one, int other) { return one > other ? one : other; }

// The nearest of 0 to length - 1.
__device__ __forceinline__ int within(int place, int length) {
    const int least = place < 0 ? 0 : place;
    return least < length ? least : length - 1;
}

template <int IN, int OUT, int ROWS>  // ROWS: of a tile, for each warp
struct Tile {
    static constexpr int HEIGHT = ROWS * WARPS;
    static constexpr int SEEN_ROWS = HEIGHT + 2;
    static constexpr int SEEN_COLUMNS = COLUMNS + 2;
    static constexpr int SEEN = SEEN_ROWS * SEEN_COLUMNS;
    // The results take the place of what was seen, before they are written in whole lines.
    static constexpr int SHARED_BYTES =
        larger(SEEN * pixel_bytes(IN), HEIGHT * COLUMNS * pixel_bytes(OUT));
};

// Brings the tile and the pixels around it into shared memory, zeros for those beyond the picture.
template <int IN, int OUT, int ROWS>
__device__ __forceinline__ void fetch(const uint4* __restrict__ picture, int height, int width, int top, int left) {
    using Sizes = Tile<IN, OUT, ROWS>;
    constexpr int PARTS = IN / 8;  // of a pixel, 16 bytes each
    constexpr int ALL = Sizes::SEEN * PARTS, EVERYONES = ALL / THREADS;
    constexpr int COPIES = (ALL + THREADS - 1) / THREADS;
    const unsigned shared = shared_address(shared_memory());
    uint4 held[COPIES];
#pragma unroll
    for (int copy = 0; copy < COPIES; ++copy) {  // all are on their way before the first has to be there
        const int index = copy * THREADS + static_cast<int>(threadIdx.x);
        if (copy < EVERYONES || index < ALL) {
            const int pixel = index / PARTS, part = index % PARTS;
            const int y = top - 1 + pixel / Sizes::SEEN_COLUMNS, x = left - 1 + pixel % Sizes::SEEN_COLUMNS;
            const int near_y = within(y, height), near_x = within(x, width);
            const uint4* const from = picture + (static_cast<size_t>(near_y) * width + near_x) * PARTS + part;
            held[copy] = begin_copy(shared + pixel * pixel_bytes(IN) + part * 16, from, y == near_y && x == near_x);
        }
    }
#pragma unroll
    for (int copy = 0; copy < COPIES; ++copy) {
        const int index = copy * THREADS + static_cast<int>(threadIdx.x);
        if (copy < EVERYONES || index < ALL) {
            end_copy(shared + index / PARTS * pixel_bytes(IN) + index % PARTS * 16, held[copy]);
        }
    }
    wait_for_copies();
}

// What is the same of every layer: `sums` of a thread, for its lanes' pixels and channels as the tensor cores give them.
// Returns when this warp has its own; others may still look at the tile.
template <bool BF16, int IN, int OUT, int ROWS>
__device__ __forceinline__ void sum_up(const uint4* __restrict__ features, const uint4* __restrict__ weights,
                                       int height, int width, float (&sums)[ROWS][OUT / 8][4]) {
    using Sizes = Tile<IN, OUT, ROWS>;
    constexpr int STEPS = IN / STEP, PAIRS = OUT / 16;  // pairs of the eights of channels that one multiplication gives
    static_assert(IN % STEP == 0 && OUT % 16 == 0, "channels come by sixteens");
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;

    const uint4* of_lane = weights + lane;
    uint4 next[PAIRS];
#pragma unroll
    for (int pair = 0; pair < PAIRS; ++pair) next[pair] = load_constant(of_lane + pair * 32);

    const size_t pictures_before = static_cast<size_t>(blockIdx.z) * height * width;
    fetch<IN, OUT, ROWS>(features + pictures_before * (IN / 8), height, width, blockIdx.y * Sizes::HEIGHT,
                         blockIdx.x * COLUMNS);
    __syncthreads();

    // Of the sixteen pixels in a row, each lane names one half of one, as ldmatrix wants it.
    const unsigned first = shared_address(shared_memory()) +
                           (warp * ROWS * Sizes::SEEN_COLUMNS + lane % 16) * pixel_bytes(IN) + lane / 16 * 16;
#pragma unroll 1
    for (int tap = 0; tap < 9; ++tap) {
        const unsigned seen = first + (tap / 3 * Sizes::SEEN_COLUMNS + tap % 3) * pixel_bytes(IN);
#pragma unroll
        for (int step = 0; step < STEPS; ++step) {
            uint4 now[PAIRS];
            of_lane += PAIRS * 32;
#pragma unroll
            for (int pair = 0; pair < PAIRS; ++pair) {
                now[pair] = next[pair];
                next[pair] = load_constant(of_lane + pair * 32);
            }
#pragma unroll
            for (int row = 0; row < ROWS; ++row) {
                const uint4 pixels =
                    load_matrices(seen + row * Sizes::SEEN_COLUMNS * pixel_bytes(IN) + step * 2 * STEP);
#pragma unroll
                for (int pair = 0; pair < PAIRS; ++pair) {
                    multiply<BF16>(sums[row][2 * pair], pixels, now[pair].x, now[pair].y);
                    multiply<BF16>(sums[row][2 * pair + 1], pixels, now[pair].z, now[pair].w);
                }
            }
        }
    }
}

// A layer from features to features. Arguments:
//   features   half (N, height, width, IN)
//   weights    in the order of packed_weights() in layer_kernels.py, with one step of anything at the end
//   bias, slope  float (OUT)
//   result     half (N, height, width, OUT)
// Blocks: (tiles beside one another, tiles below one another, N) of THREADS.
template <bool BF16, int IN, int OUT, int ROWS>
__device__ __forceinline__ void layer(const uint4* __restrict__ features, const uint4* __restrict__ weights,
                                      const float* __restrict__ bias, const float* __restrict__ slope,
                                      uint4* __restrict__ result, int height, int width) {
    constexpr int PARTS = OUT / 8;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    float sums[ROWS][OUT / 8][4] = {};
    sum_up<BF16, IN, OUT, ROWS>(features, weights, height, width, sums);

    __syncthreads();  // until every warp has seen what it needs of the tile
    char* const out = reinterpret_cast<char*>(shared_memory()) + warp * ROWS * COLUMNS * pixel_bytes(OUT);
#pragma unroll
    for (int eight = 0; eight < PARTS; ++eight) {
        const int channel = eight * 8 + lane % 4 * 2;
        const float bias_0 = bias[channel], bias_1 = bias[channel + 1];
        const float slope_0 = slope[channel], slope_1 = slope[channel + 1];
#pragma unroll
        for (int half = 0; half < 2 * ROWS; ++half) {  // of a row's sixteen pixels
            const float* const sum = sums[half / 2][eight] + half % 2 * 2;
            const float value_0 = sum[0] + bias_0, value_1 = sum[1] + bias_1;
            const unsigned both = rounded<BF16>(value_0 > 0 ? value_0 : value_0 * slope_0,
                                                value_1 > 0 ? value_1 : value_1 * slope_1);
            *reinterpret_cast<unsigned*>(out + (half * 8 + lane / 4) * pixel_bytes(OUT) + channel * 2) = both;
        }
    }
    __syncwarp();
    const int top = blockIdx.y * ROWS * WARPS, left = blockIdx.x * COLUMNS;
    uint4* const picture = result + static_cast<size_t>(blockIdx.z) * height * width * PARTS;
#pragma unroll
    for (int copy = 0; copy < ROWS * COLUMNS * PARTS / 32; ++copy) {
        const int index = copy * 32 + lane;
        const int pixel = index / PARTS, part = index % PARTS;
        const int y = top + warp * ROWS + pixel / COLUMNS, x = left + pixel % COLUMNS;
        if (y < height && x < width) {
            picture[(static_cast<size_t>(y) * width + x) * PARTS + part] =
                *reinterpret_cast<const uint4*>(out + pixel * pixel_bytes(OUT) + part * 16);
        }
    }
}

// The last layer, from features to the enlarged picture: its sums become pixels of it (pixel shuffle), onto the given
// picture, enlarged by repetition. Arguments as above, but for:
//   picture    float (N, height, width, 3)
//   enlarged   float (N, 3, height · SCALE, width · SCALE)
// The eight pixels and two channels that a warp's lanes hold at once lie beside one another there.
template <bool BF16, int IN, int SCALE, int ROWS>
__device__ __forceinline__ void last_layer(const uint4* __restrict__ features, const uint4* __restrict__ weights,
                                           const float* __restrict__ bias, const float* __restrict__ picture,
                                           float* __restrict__ enlarged, int height, int width) {
    constexpr int CHANNELS = 3 * SCALE * SCALE, OUT = (CHANNELS + 15) / 16 * 16;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    float sums[ROWS][OUT / 8][4] = {};
    sum_up<BF16, IN, OUT, ROWS>(features, weights, height, width, sums);

    const int top = (blockIdx.y * WARPS + warp) * ROWS, left = blockIdx.x * COLUMNS;
    const size_t pixels_before = static_cast<size_t>(blockIdx.z) * height * width;
    float* const out = enlarged + pixels_before * CHANNELS;
#pragma unroll
    for (int half = 0; half < 2 * ROWS; ++half) {
        const int y = top + half / 2, x = left + half % 2 * 8 + lane / 4;
        if (y < height && x < width) {
            const float* const under = picture + (pixels_before + static_cast<size_t>(y) * width + x) * 3;
#pragma unroll
            for (int each = 0; each < OUT / 4; ++each) {
                const int channel = each / 2 * 8 + lane % 4 * 2 + each % 2;
                if (channel < CHANNELS && (SCALE % 2 || each % 2 == 0)) {
                    const int color = channel / (SCALE * SCALE), down = channel / SCALE % SCALE, right = channel % SCALE;
                    const size_t line = (static_cast<size_t>(color) * height + y) * SCALE + down;
                    float* const to = out + (line * width + x) * SCALE + right;
                    const float* const sum = sums[half / 2][each / 2] + half % 2 * 2 + each % 2;
                    const float value = sum[0] + bias[channel] + under[color];
                    if constexpr (SCALE % 2) {
                        *to = value;
                    } else {  // the next channel is the pixel beside it
                        const float beside = sum[1] + bias[channel + 1] + under[color];
                        *reinterpret_cast<float2*>(to) = float2{value, beside};
                    }
                }
            }
        }
    }
}
