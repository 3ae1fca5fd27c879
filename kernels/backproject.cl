/* The M-step: images gathered into weighted slices, slices into the numerator and denominator of the map.
 *
 *   Z_rl = sum_e gamma_e conj(S_l(t_e)) A_el,   U_rl = sum_e gamma_e W_el          over the entries e of rotation r
 *   N(k) += tri(k - R^T l) Z_rl,   D(k) += tri(k - R^T l) U_rl
 *   residual(r,s) = sum_{l in shell s} U_rl |Y_rl|^2 - 2 Re( conj(Z_rl) Y_rl )      what the fit takes off the images' power
 *
 * Sums over slices are 64-bit fixed point, so they do not depend on the order, nor on how slices are dealt out.
 *
 * buffer        shape                 unit                                              in/out
 * entry_start   (R+1,)                first entry of a rotation                         in
 * entry_image   (E,)  entry_shift (E,)  entry_weight (E,) gamma                         in
 * image, weight (B,2,stride), (B,stride)   A and W                                      in
 * phase         (S,2,stride)          S_l(t)                                            in
 * slice         (R,2,stride)          Z                                                 out (gather_slices), in
 * slice_weight  (R,stride)            U                                                 out (gather_slices), in
 * rows          (R,8)                 rotation rows in points of the target grid        in
 * accumulator   (copies,side,side,width,3) long: N real, N imaginary, D, times `scale`  in/out (insert_slices)
 * shell_end     (shells,)             end of each shell in radius order                 in
 * residual      (R,shells)            unitless                                          out (slice_residual)
 *
 * launch: gather_slices (count/CHUNK, R); slice_residual (R);
 * insert_slices (copies) where each work-item fills a copy of its own with every copies-th slice (CPUs), or with ATOMIC
 * (count/CHUNK, R) into one copy (GPUs).   macros: VW, CHUNK, ATOMIC
 * twins: reference.gather_slices, reference.insert_slices, reference.slice_residual
 */
#include "fourier.h"
#ifndef CHUNK
#define CHUNK 32
#endif
#ifndef ATOMIC
#define ATOMIC 0
#endif

__kernel void gather_slices(__global const int *restrict entry_start, __global const int *restrict entry_image,
    __global const int *restrict entry_shift, __global const float *restrict entry_weight, __global const float *restrict image,
    __global const float *restrict weight, __global const float *restrict phase, __global float *restrict slice,
    __global float *restrict slice_weight, const int count, const int stride)
{
    const int start = (int)get_global_id(0) * CHUNK, r = (int)get_global_id(1);
    if (start >= count) return;
    FV re[CHUNK / VW], im[CHUNK / VW], total[CHUNK / VW];
    for (int j = 0; j < CHUNK / VW; j++) re[j] = im[j] = total[j] = (FV)(0.0f);
    for (int e = entry_start[r]; e < entry_start[r + 1]; e++) {
        const FV gamma = (FV)(entry_weight[e]);
        __global const float *a = image + (size_t)entry_image[e] * 2 * stride + start;
        __global const float *w = weight + (size_t)entry_image[e] * stride + start;
        __global const float *p = phase + (size_t)entry_shift[e] * 2 * stride + start;
        for (int j = 0; j < CHUNK / VW; j++) {
            const FV ar = gamma * LOAD(a + j * VW), ai = gamma * LOAD(a + stride + j * VW);
            const FV pr = LOAD(p + j * VW), pi = LOAD(p + stride + j * VW);
            re[j] = FMA(ar, pr, FMA(ai, pi, re[j]));
            im[j] = FMA(ai, pr, FMA(-ar, pi, im[j]));
            total[j] = FMA(gamma, LOAD(w + j * VW), total[j]);
        }
    }
    __global float *out = slice + (size_t)r * 2 * stride + start;
    for (int j = 0; j < CHUNK / VW; j++) {
        STORE(re[j], out + j * VW);
        STORE(im[j], out + stride + j * VW);
        STORE(total[j], slice_weight + (size_t)r * stride + start + j * VW);
    }
}

/* Add a fixed-point number to a sum: plainly where the work-item owns the copy, else by two 32-bit atomics, which every
 * device has and which leave the bits of one 64-bit addition. */
#if ATOMIC
inline void add_fixed(__global long *at, float value)
{
    volatile __global uint *word = (volatile __global uint *)at;
    const ulong bits = (ulong)(long)value;
    const uint low = (uint)bits, before = atomic_add(word, low);
    const uint high = (uint)(bits >> 32) + (before + low < before ? 1u : 0u);
    if (high) atomic_add(word + 1, high);
}
#else
inline void add_fixed(__global long *at, float value) { *at += (long)value; }
#endif

inline void add_voxel(__global long *at, float t, float re, float im, float w)
{
    add_fixed(at, t * re);
    add_fixed(at + 1, t * im);
    add_fixed(at + 2, t * w);
}

inline void insert_point(__global long *target, Cell c, float re, float im, float w, int side, int width)
{
    const float x1 = c.fx, x0 = 1.0f - x1, y1 = c.fy, y0 = 1.0f - y1, z1 = c.fz, z0 = 1.0f - z1;
    __global long *p = target + 3 * (size_t)c.base, *q = p + 3 * (size_t)width;
    __global long *s = p + 3 * (size_t)side * width, *t = s + 3 * (size_t)width;
    add_voxel(p, z0 * y0 * x0, re, im, w);
    add_voxel(p + 3, z0 * y0 * x1, re, im, w);
    add_voxel(q, z0 * y1 * x0, re, im, w);
    add_voxel(q + 3, z0 * y1 * x1, re, im, w);
    add_voxel(s, z1 * y0 * x0, re, im, w);
    add_voxel(s + 3, z1 * y0 * x1, re, im, w);
    add_voxel(t, z1 * y1 * x0, re, im, w);
    add_voxel(t + 3, z1 * y1 * x1, re, im, w);
}

__kernel void insert_slices(__global const float *restrict kx, __global const float *restrict ky, __global const float *restrict rows,
    __global const float *restrict slice, __global const float *restrict slice_weight, __global long *restrict accumulator,
    const int slices, const int count, const int stride, const int side, const int width, const float scale)
{
#if ATOMIC
    const int first = (int)get_global_id(1), step = slices, start = (int)get_global_id(0) * CHUNK;
    const int end = min(start + CHUNK, count);
    __global long *target = accumulator;
#else
    const int first = (int)get_global_id(0), step = (int)get_global_size(0), start = 0, end = count;
    __global long *target = accumulator + (size_t)first * side * side * width * 3;
#endif
    for (int r = first; r < slices; r += step) {
        __global const float *m = rows + 8 * (size_t)r;
        const float ax = m[0], ay = m[1], az = m[2], bx = m[4], by = m[5], bz = m[6];
        __global const float *zr = slice + (size_t)r * 2 * stride, *zi = zr + stride, *u = slice_weight + (size_t)r * stride;
        for (int l = start; l < end; l++) {
            const float x = kx[l], y = ky[l];
            const Cell c = cell_of(FMA(ax, x, bx * y), FMA(ay, x, by * y), FMA(az, x, bz * y), side, width);
            insert_point(target, c, zr[l] * scale, zi[l] * scale * c.sign, u[l] * scale, side, width);
        }
    }
}

__kernel void slice_residual(__global const float2 *restrict volume, __global const float *restrict kx, __global const float *restrict ky,
    __global const float *restrict rows, __global const float *restrict slice, __global const float *restrict slice_weight,
    __global const int *restrict shell_end, __global float *restrict residual, const int slices, const int shells, const int stride,
    const int side, const int width)
{
    const int r = (int)get_global_id(0);
    if (r >= slices) return;
    __global const float *m = rows + 8 * (size_t)r;
    __global const float *zr = slice + (size_t)r * 2 * stride, *zi = zr + stride, *u = slice_weight + (size_t)r * stride;
    int l = 0;
    for (int s = 0; s < shells; s++) {
        float sum = 0.0f;
        for (; l < shell_end[s]; l++) {
            const float x = kx[l], y = ky[l];
            const float2 v = sample(volume, FMA(m[0], x, m[4] * y), FMA(m[1], x, m[5] * y), FMA(m[2], x, m[6] * y), side, width);
            sum += FMA(u[l], FMA(v.x, v.x, v.y * v.y), -2.0f * FMA(zr[l], v.x, zi[l] * v.y));
        }
        residual[(size_t)r * shells + s] = sum;
    }
}
