// Runs blocks of a CUDA kernel on a CPU, for tests of its arithmetic, addresses and barriers; in place of gpu.cuh.
//
// Each thread of a block is a fiber. Which one goes on where several could is drawn anew each time, and warps may run far
// ahead of others, so that a barrier which is missing shows. Copies to shared memory come late, when they are waited for, and shared memory begins as NaN.
// What the 32 threads of a warp do together is done by the last of them to arrive. Where operands lie in the threads'
// registers is written down from the PTX manual ("Matrix Fragments for mma.m16n8k16", "ldmatrix").

#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#define __device__
#define __host__
#define __forceinline__
#define __global__
#define __launch_bounds__(threads)


struct uint4 {
    unsigned x, y, z, w;
};
struct float2 {
    float x, y;
};
struct Index {
    unsigned x, y, z;
};

static Index threadIdx, blockIdx;

namespace on_cpu {

struct Copy {
    unsigned to;
    uint4 value;
};
struct Fiber {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(1 << 16);
    std::vector<Copy> copies;
    bool is_done = false;
};
// A place where some threads wait for one another.
struct Meeting {
    unsigned size, arrived = 0, times = 0;
};
struct Warp {
    Meeting meeting{32};
    unsigned addresses[32];
    uint4 left[32], loaded[32];
    unsigned right[32][2];
    float* sums[32];
};

static std::vector<Fiber> fibers;
static std::vector<Warp> warps;
static Meeting block{0};
static std::vector<uint4> shared;
static size_t shared_bytes;
static ucontext_t scheduler;
static unsigned current, seed;
static bool has_progressed;

[[noreturn]] static void fail(const char* what) {
    std::fprintf(stderr, "thread %u of block (%u, %u, %u): %s\n", current, blockIdx.x, blockIdx.y, blockIdx.z, what);
    std::abort();
}

static void check_shared(unsigned address) {
    if (address % 16 || address + 16 > shared_bytes) fail("beyond shared memory");
}

template <typename Work>
static void meet(Meeting& meeting, Work work) {
    const unsigned before = meeting.times;
    if (++meeting.arrived == meeting.size) {
        work();
        meeting.arrived = 0;
        ++meeting.times;
        has_progressed = true;
    }
    while (meeting.times == before) swapcontext(&fibers[current].context, &scheduler);
}

static unsigned drawn(unsigned below) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

template <bool BF16>
static float widened(unsigned both, int high) {
    const uint16_t bits = high ? both >> 16 : both & 0xffff;
    if constexpr (BF16) {
        const uint32_t wide = static_cast<uint32_t>(bits) << 16;
        float value;
        std::memcpy(&value, &wide, 4);
        return value;
    } else {
        _Float16 value;
        std::memcpy(&value, &bits, 2);
        return static_cast<float>(value);
    }
}

template <bool BF16>
static void multiply_warp(Warp& warp) {
    float left[16][16], right[16][8];
    for (int lane = 0; lane < 32; ++lane) {
        const int group = lane / 4, in_group = lane % 4;
        const unsigned a[4] = {warp.left[lane].x, warp.left[lane].y, warp.left[lane].z, warp.left[lane].w};
        for (int element = 0; element < 8; ++element) {
            const int row = element < 2 || (element >= 4 && element < 6) ? group : group + 8;
            const int column = in_group * 2 + (element & 1) + (element >= 4 ? 8 : 0);
            left[row][column] = widened<BF16>(a[element / 2], element & 1);
        }
        for (int element = 0; element < 4; ++element) {
            const int row = in_group * 2 + (element & 1) + (element >= 2 ? 8 : 0);
            right[row][group] = widened<BF16>(warp.right[lane][element / 2], element & 1);
        }
    }
    for (int lane = 0; lane < 32; ++lane) {
        for (int element = 0; element < 4; ++element) {
            const int row = lane / 4 + (element >= 2 ? 8 : 0), column = lane % 4 * 2 + (element & 1);
            for (int inner = 0; inner < 16; ++inner) warp.sums[lane][element] += left[row][inner] * right[inner][column];
        }
    }
}

static void load_warp(Warp& warp) {
    for (int lane = 0; lane < 32; ++lane) {
        unsigned out[4];
        for (int matrix = 0; matrix < 4; ++matrix) {
            const unsigned row = warp.addresses[matrix * 8 + lane / 4];
            check_shared(row);
            std::memcpy(&out[matrix], reinterpret_cast<const char*>(shared.data()) + row + lane % 4 * 4, 4);
        }
        warp.loaded[lane] = {out[0], out[1], out[2], out[3]};
    }
}

}  // namespace on_cpu

static uint4* shared_memory() { return on_cpu::shared.data(); }

static unsigned shared_address(const void* pointer) {
    return static_cast<unsigned>(static_cast<const char*>(pointer) - reinterpret_cast<char*>(on_cpu::shared.data()));
}

static uint4 load_constant(const uint4* from) { return *from; }

static uint4 begin_copy(unsigned to, const uint4* from, bool inside) {
    on_cpu::check_shared(to);
    return inside ? *from : uint4{0, 0, 0, 0};
}

static void end_copy(unsigned to, const uint4& value) {
    on_cpu::check_shared(to);
    on_cpu::fibers[on_cpu::current].copies.push_back({to, value});
}

static void wait_for_copies() {
    for (const auto& copy : on_cpu::fibers[on_cpu::current].copies) {
        std::memcpy(reinterpret_cast<char*>(on_cpu::shared.data()) + copy.to, &copy.value, 16);
    }
    on_cpu::fibers[on_cpu::current].copies.clear();
}

static uint4 load_matrices(unsigned from) {
    auto& warp = on_cpu::warps[on_cpu::current / 32];
    warp.addresses[on_cpu::current % 32] = from;
    on_cpu::meet(warp.meeting, [&] { on_cpu::load_warp(warp); });
    return warp.loaded[on_cpu::current % 32];
}

template <bool BF16>
static void multiply(float (&sums)[4], const uint4& left, unsigned right_0, unsigned right_1) {
    auto& warp = on_cpu::warps[on_cpu::current / 32];
    const unsigned lane = on_cpu::current % 32;
    warp.left[lane] = left;
    warp.right[lane][0] = right_0;
    warp.right[lane][1] = right_1;
    warp.sums[lane] = sums;
    on_cpu::meet(warp.meeting, [&] { on_cpu::multiply_warp<BF16>(warp); });
}

static void __syncthreads() {
    on_cpu::meet(on_cpu::block, [] {});
}

static void __syncwarp() {
    on_cpu::meet(on_cpu::warps[on_cpu::current / 32].meeting, [] {});
}

template <bool BF16>
static unsigned rounded(float low, float high) {
    unsigned out[2];
    const float values[2] = {low, high};
    for (int each = 0; each < 2; ++each) {
        if constexpr (BF16) {
            uint32_t bits;
            std::memcpy(&bits, &values[each], 4);
            const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
            out[each] = is_nan ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        } else {
            const _Float16 half = static_cast<_Float16>(values[each]);
            uint16_t bits;
            std::memcpy(&bits, &half, 2);
            out[each] = bits;
        }
    }
    return out[0] | out[1] << 16;
}

namespace on_cpu {

typedef void (*Kernel)(const uint4*, const uint4*, const float*, const float*, uint4*, int, int);

struct Call {
    Kernel kernel;
    const uint4 *features, *weights;
    const float *bias, *slope;
    uint4* result;
    int height, width;
};
static Call call;

static void run_thread() {
    call.kernel(call.features, call.weights, call.bias, call.slope, call.result, call.height, call.width);
    fibers[current].is_done = true;
    has_progressed = true;
    swapcontext(&fibers[current].context, &scheduler);
}

static std::vector<unsigned> shuffled(unsigned count) {
    std::vector<unsigned> order(count);
    for (unsigned each = 0; each < count; ++each) order[each] = each;
    for (unsigned each = count - 1; each > 0; --each) std::swap(order[each], order[drawn(each + 1)]);
    return order;
}

// Lets each of its threads go on until it waits; false when that changed nothing.
static bool run_warp(unsigned warp) {
    const bool before = has_progressed;
    has_progressed = false;
    for (const unsigned lane : shuffled(32)) {
        current = warp * 32 + lane;
        threadIdx.x = current;
        if (!fibers[current].is_done) swapcontext(&scheduler, &fibers[current].context);
    }
    const bool went_on = has_progressed;
    has_progressed = before || went_on;
    return went_on;
}

static void run_block(unsigned threads) {
    fibers = std::vector<Fiber>(threads);
    warps.assign(threads / 32, Warp());
    block = Meeting{threads};
    const uint4 nan{~0u, ~0u, ~0u, ~0u};
    shared.assign(shared_bytes / 16 + 64, nan);
    for (auto& fiber : fibers) {
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        makecontext(&fiber.context, run_thread, 0);
    }
    for (bool is_done = false; !is_done;) {
        has_progressed = false;
        is_done = true;
        for (const unsigned warp : shuffled(threads / 32)) {
            // Now and then one goes on while the others stand still.
            for (unsigned turns = 1u << drawn(12); turns > 0 && run_warp(warp); --turns) {
            }
            for (unsigned lane = 0; lane < 32; ++lane) is_done = is_done && fibers[warp * 32 + lane].is_done;
        }
        if (!has_progressed) fail("waits for threads that never come");
    }
    for (size_t each = shared_bytes / 16; each < shared.size(); ++each) {
        if (std::memcmp(&shared[each], &nan, 16)) fail("wrote beyond shared memory");
    }
}

}  // namespace on_cpu

// Runs columns × rows × count blocks, one after another.
extern "C" void run(on_cpu::Kernel kernel, const uint4* features, const uint4* weights, const float* bias,
                    const float* slope, uint4* result, int height, int width, unsigned columns, unsigned rows,
                    unsigned count, unsigned threads, unsigned bytes, unsigned seed) {
    on_cpu::call = {kernel, features, weights, bias, slope, result, height, width};
    on_cpu::seed = seed;
    on_cpu::shared_bytes = bytes;
    for (blockIdx.z = 0; blockIdx.z < count; ++blockIdx.z) {
        for (blockIdx.y = 0; blockIdx.y < rows; ++blockIdx.y) {
            for (blockIdx.x = 0; blockIdx.x < columns; ++blockIdx.x) on_cpu::run_block(threads);
        }
    }
}
