/* The most bytes a second that memory moves: a plain copy, and what slicing and back-projection read and write, without their
 * arithmetic.
 *
 *   copy_vectors   target_i <- source_i
 *   read_cells     value_i <- sum of the 4 pairs of neighbours along x around cell i       as make_slices reads and writes
 *   add_to_cells   A_v <- A_v + 1 at the 8 voxels v around each cell, 3 numbers each       as insert_slices adds
 *
 * buffer        shape                          unit                                           in/out
 * source, target   (n,4)                       unitless                                       in, out
 * volume        (side,side,width) float2       unitless                                       in
 * cell          (cells,)                       index of its lowest point or voxel             in
 * value         (n,4)                          real, imaginary of the lower and upper pairs; cells come round again where n is larger   out
 * accumulator   (copies,side,side,width,3) long   unitless                                    in/out
 *
 * launch: items, of `block` vectors or cells in a row each; add_to_cells: (copies) where each work-item fills a copy of its own
 * (CPUs), or with ATOMIC any number into one copy (GPUs), by one 32-bit atomic a number: the least that it can be.   macros: ATOMIC
 * twins: reference.copy_vectors, reference.read_cells, reference.add_to_cells
 */
#ifndef ATOMIC
#define ATOMIC 0
#endif

/* Neighbours along x as one vector, which is no more aligned than a point. */
typedef float4 Pair __attribute__((aligned(8)));
#define PAIR(p) (*(__global const Pair *)(p))

__kernel void copy_vectors(__global const float4 *restrict source, __global float4 *restrict target, const int n, const int block)
{
    const int first = (int)get_global_id(0) * block, last = first + block < n ? first + block : n;
    for (int i = first; i < last; i++) target[i] = source[i];
}

__kernel void read_cells(__global const float2 *restrict volume, __global const int *restrict cell, __global float4 *restrict value,
    const int n, const int block, const int cells, const int side, const int width)
{
    const int first = (int)get_global_id(0) * block, last = first + block < n ? first + block : n;
    int c = first % cells;
    for (int i = first; i < last; i++) {
        __global const float2 *p = volume + cell[c], *q = p + side * width;
        value[i] = (PAIR(p) + PAIR(p + width)) + (PAIR(q) + PAIR(q + width));
        c = c + 1 < cells ? c + 1 : 0;
    }
}

#if ATOMIC
inline void add_one(__global long *at) { atomic_inc((volatile __global uint *)at); }
#define ADD_VOXEL(at) (add_one(at), add_one((at) + 1), add_one((at) + 2))
#else
typedef long2 Complex __attribute__((aligned(8)));
#define ADD_VOXEL(at) (*(__global Complex *)(at) += 1, (at)[2] += 1)
#endif

__kernel void add_to_cells(__global const int *restrict cell, __global long *restrict accumulator, const int cells, const int block,
    const int side, const int width)
{
    const int first = (int)get_global_id(0) * block, last = first + block < cells ? first + block : cells;
#if !ATOMIC
    accumulator += get_global_id(0) * side * side * width * 3;
#endif
    for (int i = first; i < last; i++) {
        __global long *p = accumulator + 3 * (size_t)cell[i], *q = p + 3 * (size_t)width;
        __global long *s = p + 3 * (size_t)side * width, *t = s + 3 * (size_t)width;
        ADD_VOXEL(p);
        ADD_VOXEL(p + 3);
        ADD_VOXEL(q);
        ADD_VOXEL(q + 3);
        ADD_VOXEL(s);
        ADD_VOXEL(s + 3);
        ADD_VOXEL(t);
        ADD_VOXEL(t + 3);
    }
}
