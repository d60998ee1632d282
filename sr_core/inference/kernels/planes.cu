// From RGB to the planes that an encoder takes, in one pass: luma, and both colour differences, resampled to their own
// size; each rounded to the nearest code and clipped. The formulas are those of inference/color.py.
//
// A thread makes one sample of each chroma plane, and the one, two or four of luma that belong to it.

constexpr int ACROSS = 32, BELOW = 4;  // samples of chroma that a block makes
constexpr int THREADS = ACROSS * BELOW;

// How one direction of chroma is halved: (1, 2, 1)/4 around the even positions where it is cosited with them,
// (1, 3, 3, 1)/8 around the middles otherwise. STEP 1 halves nothing.
template <int STEP, bool COSITED>
struct Taps {
    static constexpr int COUNT = STEP == 1 ? 1 : COSITED ? 3 : 4;
    static constexpr int FIRST = STEP == 1 ? 0 : -1;  // from the first luma sample of the pair
    __host__ __device__ static constexpr float weight(int tap) {
        return STEP == 1  ? 1.0f
               : COSITED  ? (tap == 1 ? 0.5f : 0.25f)
               : tap == 0 ? 0.125f
               : tap == 3 ? 0.125f
                          : 0.375f;
    }
};

// What depends on the matrix, the range and the depth.
struct Meaning {
    float red, green, blue;           // weights of luma
    float per_blue, per_red;          // what makes differences to luma ±0.5 at most
    float luma_span, luma_zero;       // codes; half a code is in the zeros, for rounding
    float chroma_span, chroma_zero;
    float most;                       // the largest code
};

__device__ __forceinline__ int nearest(int place, int length) {
    const int least = place < 0 ? 0 : place;
    return least < length ? least : length - 1;
}

__device__ __forceinline__ float code(float value, float span, float zero, float most) {
    const float whole = floorf(value * span + zero);
    return whole < 0 ? 0 : whole > most ? most : whole;
}

// Arguments:
//   rgb        float (N, 3, height, width)
//   meaning    one
//   luma       Sample (N, height, width)
//   blue, red  Sample (N, height / DOWN, width / RIGHT), rounded up
// Blocks: as many as hold a row of chroma, as many as hold a column, N.
template <int RIGHT, int DOWN, bool COSITED_RIGHT, bool COSITED_DOWN, typename Sample>
__device__ __forceinline__ void to_planes(const float* __restrict__ rgb, const Meaning* __restrict__ meaning,
                                          Sample* __restrict__ luma, Sample* __restrict__ blue,
                                          Sample* __restrict__ red, int height, int width) {
    using Beside = Taps<RIGHT, COSITED_RIGHT>;
    using Below = Taps<DOWN, COSITED_DOWN>;
    const int chroma_width = (width + RIGHT - 1) / RIGHT, chroma_height = (height + DOWN - 1) / DOWN;
    const int column = blockIdx.x * ACROSS + threadIdx.x % ACROSS;
    const int row = blockIdx.y * BELOW + threadIdx.x / ACROSS;
    if (column >= chroma_width || row >= chroma_height) return;

    const Meaning means = *meaning;
    const size_t plane_px = static_cast<size_t>(height) * width;
    const float* const picture = rgb + blockIdx.z * 3 * plane_px;
    float blue_sum = 0, red_sum = 0, own[DOWN][RIGHT];
#pragma unroll
    for (int down = 0; down < Below::COUNT; ++down) {
        const int y = nearest(row * DOWN + Below::FIRST + down, height);
        float blue_row = 0, red_row = 0;
#pragma unroll
        for (int right = 0; right < Beside::COUNT; ++right) {
            const int x = nearest(column * RIGHT + Beside::FIRST + right, width);
            const float* const at = picture + static_cast<size_t>(y) * width + x;
            const float r = at[0], g = at[plane_px], b = at[2 * plane_px];
            const float brightness = r * means.red + g * means.green + b * means.blue;
            blue_row += Beside::weight(right) * ((b - brightness) * means.per_blue);
            red_row += Beside::weight(right) * ((r - brightness) * means.per_red);
            const int own_row = down + Below::FIRST, own_column = right + Beside::FIRST;
            if (own_row >= 0 && own_row < DOWN && own_column >= 0 && own_column < RIGHT) {
                own[own_row][own_column] = brightness;
            }
        }
        blue_sum += Below::weight(down) * blue_row;
        red_sum += Below::weight(down) * red_row;
    }
#pragma unroll
    for (int down = 0; down < DOWN; ++down) {
#pragma unroll
        for (int right = 0; right < RIGHT; ++right) {
            const int y = row * DOWN + down, x = column * RIGHT + right;
            if (y < height && x < width) {
                luma[blockIdx.z * plane_px + static_cast<size_t>(y) * width + x] =
                    static_cast<Sample>(code(own[down][right], means.luma_span, means.luma_zero, means.most));
            }
        }
    }
    const size_t at = (static_cast<size_t>(blockIdx.z) * chroma_height + row) * chroma_width + column;
    blue[at] = static_cast<Sample>(code(blue_sum, means.chroma_span, means.chroma_zero, means.most));
    red[at] = static_cast<Sample>(code(red_sum, means.chroma_span, means.chroma_zero, means.most));
}
