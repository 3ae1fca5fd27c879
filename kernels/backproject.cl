/* The M-step: images gathered into weighted slices, slices into the numerator and denominator of their class's map.
 *
 *   Z_dl = sum_e gamma_e conj(S_l'(t_e)) A_el',   U_dl = sum_e gamma_e W_el'       over the entries e of direction d; l' is l turned
 *                                                                             back by the entry's in-plane angle
 *   N(k) += tri(k - A_d^T l) Z_dl,   D(k) += tri(k - A_d^T l) U_dl
 *   residual(d,s) = sum_{l in ring s} U_dl |Y_dl|^2 - 2 Re( conj(Z_dl) Y_dl )      what the fit takes off the images' power
 *
 * Sums over slices are 64-bit fixed point, so they do not depend on the order, nor on how slices are dealt out.
 *
 * buffer        shape                 unit                                              in/out
 * entry_start   (slices+1,)           first entry of a slice                            in
 * entry_image, entry_shift, entry_angle, entry_weight (E,)  image, shift, in-plane angle, gamma   in
 * image, weight (B,2,stride), (B,stride)   A and W                                      in
 * phase         (S,2,stride)          S_l(t)                                            in
 * rings         (rings,4) int         start in rows, half points, start in whole turns, points a step   in
 * gathered      (slices,2,stride)     Z                                                 out (gather_slices), in
 * gathered_weight (slices,stride)     U                                                 out (gather_slices), in
 * rows          (slices,8)            rotation rows in points of the target grid, and class (grid.cl)   in
 * accumulator   (copies,K,side,side,width,3) long: N real, N imaginary, D, times `scale`   in/out (insert_slices)
 * slice         (D,2,circle)          Y of all directions, whole turns                  in
 * direction     (slices,)             of each slice                                     in
 * residual      (slices,rings)        unitless                                          out (slice_residual)
 *
 * launch: gather_slices, slice_residual (rings, slices);
 * insert_slices (copies) where each work-item fills a copy of its own with every copies-th slice (CPUs), or with ATOMIC
 * (count/CHUNK, slices) into one copy (GPUs).   macros: VW, CHUNK, ATOMIC
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
    __global const int *restrict entry_shift, __global const int *restrict entry_angle, __global const float *restrict entry_weight,
    __global const float *restrict image, __global const float *restrict weight, __global const float *restrict phase,
    __global const int4 *restrict rings, __global float *restrict gathered, __global float *restrict gathered_weight,
    const int half_turn, const int stride)
{
    const int4 ring = rings[get_global_id(0)];
    const int n = (int)get_global_id(1), points = ring.s1;
    __global float *re = gathered + (size_t)n * 2 * stride + ring.s0, *im = re + stride;
    __global float *total = gathered_weight + (size_t)n * stride + ring.s0;
    for (int l = 0; l < (points + 7) / 8 * 8; l++) re[l] = im[l] = total[l] = 0.0f;
    for (int e = entry_start[n]; e < entry_start[n + 1]; e++) {
        const float gamma = entry_weight[e];
        __global const float *ar = image + (size_t)entry_image[e] * 2 * stride + ring.s0, *ai = ar + stride;
        __global const float *w = weight + (size_t)entry_image[e] * stride + ring.s0;
        __global const float *pr = phase + (size_t)entry_shift[e] * 2 * stride + ring.s0, *pi = pr + stride;
        const int turned = entry_angle[e] >= half_turn, ahead = ring.s3 * (entry_angle[e] - (turned ? half_turn : 0));
        /* Points before the end of the half turn go ahead as they are, those beyond it come back as conjugates. */
        for (int part = 0; part < 2; part++) {
            const int first = part ? points - ahead : 0, last = part ? points : points - ahead;
            const int shift = part ? ahead - points : ahead;
            const float sign = part != turned ? -gamma : gamma;
            for (int l = first; l < last; l++) {
                re[l + shift] += gamma * FMA(ar[l], pr[l], ai[l] * pi[l]);
                im[l + shift] += sign * FMA(ai[l], pr[l], -ar[l] * pi[l]);
                total[l + shift] = FMA(gamma, w[l], total[l + shift]);
            }
        }
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

/* Add a point to the 8 voxels around it, of which p is the lowest. It is static to be inlined: some CPU drivers else call it for
 * each point. */
static inline void insert_point(__global long *p, float x1, float y1, float z1, float re, float im, float w, int side, int width)
{
    const float x0 = 1.0f - x1, y0 = 1.0f - y1, z0 = 1.0f - z1;
    __global long *q = p + 3 * (size_t)width, *s = p + 3 * (size_t)side * width, *t = s + 3 * (size_t)width;
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
    __global const float *restrict gathered, __global const float *restrict gathered_weight, __global long *restrict accumulator,
    const int slices, const int count, const int stride, const int classes, const int side, const int width, const float scale)
{
    const size_t points = (size_t)side * side * width;
#if ATOMIC
    const int first = (int)get_global_id(1), step = slices, start = (int)get_global_id(0) * CHUNK;
    const int end = min(start + CHUNK, count);
    __global long *copy = accumulator;
#else
    const int first = (int)get_global_id(0), step = (int)get_global_size(0), start = 0, end = count;
    __global long *copy = accumulator + first * classes * points * 3;
#endif
    for (int r = first; r < slices; r += step) {
        __global const float *m = rows + 8 * (size_t)r;
        const float ax = m[0], ay = m[1], az = m[2], bx = m[4], by = m[5], bz = m[6];
        __global long *target = copy + (size_t)m[3] * points * 3;
        __global const float *zr = gathered + (size_t)r * 2 * stride, *zi = zr + stride, *u = gathered_weight + (size_t)r * stride;
        for (int l = start; l < end; l += VW) {
            /* Cells of VW points first: on a CPU that is vector arithmetic. */
            int base[VW];
            float fx[VW], fy[VW], fz[VW], re[VW], im[VW], w[VW];
            for (int i = 0; i < VW; i++) {
                const float x = kx[l + i], y = ky[l + i];
                const Cell c = cell_of(FMA(ax, x, bx * y), FMA(ay, x, by * y), FMA(az, x, bz * y), side, width);
                base[i] = c.base;
                fx[i] = c.fx;
                fy[i] = c.fy;
                fz[i] = c.fz;
                re[i] = zr[l + i] * scale;
                im[i] = zi[l + i] * scale * c.sign;
                w[i] = u[l + i] * scale;
            }
            for (int i = 0; i < VW; i++) {
                if (w[i] == 0.0f) continue; /* a pad, or a zero of the CTF */
                insert_point(target + 3 * (size_t)base[i], fx[i], fy[i], fz[i], re[i], im[i], w[i], side, width);
            }
        }
    }
}

__kernel void slice_residual(__global const float *restrict slice, __global const int4 *restrict rings,
    __global const int *restrict direction, __global const float *restrict gathered, __global const float *restrict gathered_weight,
    __global float *restrict residual, const int stride, const int circle)
{
    const int4 ring = rings[get_global_id(0)];
    const int n = (int)get_global_id(1);
    __global const float *yr = slice + (size_t)direction[n] * 2 * circle + ring.s2, *yi = yr + circle;
    __global const float *zr = gathered + (size_t)n * 2 * stride + ring.s0, *zi = zr + stride;
    __global const float *u = gathered_weight + (size_t)n * stride + ring.s0;
    float sum = 0.0f;
    for (int l = 0; l < ring.s1; l++)
        sum += FMA(u[l], FMA(yr[l], yr[l], yi[l] * yi[l]), -2.0f * FMA(zr[l], yr[l], zi[l] * yi[l]));
    residual[(size_t)n * get_global_size(0) + get_global_id(0)] = sum;
}
