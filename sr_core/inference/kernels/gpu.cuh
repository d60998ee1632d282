// What layer.cu asks of a GPU beyond C++, each in the words of the PTX manual.

__device__ __forceinline__ uint4* shared_memory() {
    extern __shared__ uint4 memory[];
    return memory;
}

__device__ __forceinline__ unsigned shared_address(const void* pointer) {
    return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

// What no kernel changes while it is read.
__device__ __forceinline__ uint4 load_constant(const uint4* from) { return __ldg(from); }

// 16 bytes, or zeros. They are in shared memory after end_copy(), wait_for_copies() and a barrier. Where no instruction
// copies past the registers, they are held there between the first two.
__device__ __forceinline__ uint4 begin_copy(unsigned to, const uint4* from, bool inside) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(inside ? 16 : 0) : "memory");
    return uint4();
#else
    const uint4 value = __ldg(from);
    return inside ? value : uint4();
#endif
}

__device__ __forceinline__ void end_copy(unsigned to, const uint4& value) {
#if __CUDA_ARCH__ < 800
    asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(value.x), "r"(value.y), "r"(value.z),
                 "r"(value.w)
                 : "memory");
#endif
}

__device__ __forceinline__ void wait_for_copies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

// Four 8×8 matrices of halves: lanes 8i to 8i + 7 name the rows of the i-th.
__device__ __forceinline__ uint4 load_matrices(unsigned from) {
    uint4 out;
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out.x), "=r"(out.y), "=r"(out.z), "=r"(out.w)
                 : "r"(from));
    return out;
}

// sums (16×8) += left (16×16) · right (16×8). A Turing GPU takes eight of the sixteen at a time, and no bf16.
template <bool BF16>
__device__ __forceinline__ void multiply(float (&sums)[4], const uint4& left, unsigned right_0, unsigned right_1) {
#if __CUDA_ARCH__ >= 800
    if constexpr (BF16) {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
            "{%0, %1, %2, %3};"
            : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
            : "r"(left.x), "r"(left.y), "r"(left.z), "r"(left.w), "r"(right_0), "r"(right_1));
    } else {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
            "{%0, %1, %2, %3};"
            : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
            : "r"(left.x), "r"(left.y), "r"(left.z), "r"(left.w), "r"(right_0), "r"(right_1));
    }
#else
    static_assert(!BF16, "no bf16 before compute capability 8.0");
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(left.x), "r"(left.y), "r"(right_0));
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(left.z), "r"(left.w), "r"(right_1));
#endif
}

// Two numbers in half precision, to the nearest, ties to even; the first one in the lower half.
template <bool BF16>
__device__ __forceinline__ unsigned rounded(float low, float high) {
    unsigned short bits[2];
#if __CUDA_ARCH__ >= 800
    if constexpr (BF16) {
        asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits[0]) : "f"(low));
        asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits[1]) : "f"(high));
        return bits[0] | static_cast<unsigned>(bits[1]) << 16;
    }
#endif
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits[0]) : "f"(low));
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits[1]) : "f"(high));
    return bits[0] | static_cast<unsigned>(bits[1]) << 16;
}
