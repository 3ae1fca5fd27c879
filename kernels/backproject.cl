/* The M-step: images gathered into weighted slices, slices into the numerator and denominator of their class's map.
 *
 *   Z_dl = sum_e gamma_e conj(S_l'(t_e)) A_el',   U_dl = sum_e gamma_e W_el'       over the entries e of direction d; l' is l turned
 *                                                                             back by the entry's in-plane angle
 *   N(k) += tri(k - A_d^T l) Z_dl,   D(k) += tri(k - A_d^T l) U_dl
 *   residual(s) = sum_d sum_{l in ring s} U_dl |Y_dl|^2 - 2 Re( conj(Z_dl) Y_dl )  what the fit takes off the images' power
 *
 * All sums are of whole numbers. Every addend of Z and U becomes one, and so do the shares tri of a point and the map's slices; from
 * there on nothing is rounded. The sums of a minibatch are therefore those of its parts, whatever the parts, their order, and how
 * slices are dealt out.
 *
 * buffer        shape                 unit                                              in/out
 * entry_start   (slices+1,)           first entry of a slice                            in
 * entry_image, entry_shift, entry_angle, entry_weight (E,)  image, shift, in-plane angle, gamma   in
 * image, weight (B,2,stride), (B,stride)   A and W                                      in
 * phase         (S,2,stride)          S_l(t)                                            in
 * rings         (rings,4) int         start in rows, half points, start in whole turns, points a step   in
 * gathered      (slices,2,stride) int      Z times `image_scale`                        out (gather_slices), in
 * gathered_weight (slices,stride) int      U times `weight_scale`                       out (gather_slices), in
 * rows          (slices,8)            rotation rows in points of the target grid, and class (grid.cl)   in
 * accumulator   (copies,K,side,side,width,3) long: N real, N imaginary, D, times the scale of Z or U and SHARES   in/out (insert_slices)
 * slice         (D,2,circle)          Y of all directions, whole turns                  in
 * direction     (slices,)             of each slice                                     in
 * residual      (slices,rings,3) long sums of U times the upper and the lower half of |y|^2, and of Re( conj(Z) y ), for y = Y times
 *                                     `slice_scale`, a whole number                     out (slice_residual)
 *
 * The scales keep all numbers within bounds: engine/gradient.py has them.
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
#define SHARES 536870912.0f /* 2^29: of so many parts of a point a voxel gets a whole number */
#define HALF_BITS 21 /* of the halves of |y|^2 */

/* The whole number nearest to x y. Some CPU drivers have a call into a library for rint(). */
inline int whole(float x, float y) { return (int)FMA(x, y, x * y < 0.0f ? -0.5f : 0.5f); }

__kernel void gather_slices(__global const int *restrict entry_start, __global const int *restrict entry_image,
    __global const int *restrict entry_shift, __global const int *restrict entry_angle, __global const float *restrict entry_weight,
    __global const float *restrict image, __global const float *restrict weight, __global const float *restrict phase,
    __global const int4 *restrict rings, __global int *restrict gathered, __global int *restrict gathered_weight,
    const int half_turn, const int stride, const float image_scale, const float weight_scale)
{
    const int4 ring = rings[get_global_id(0)];
    const int n = (int)get_global_id(1), points = ring.s1;
    __global int *re = gathered + (size_t)n * 2 * stride + ring.s0, *im = re + stride;
    __global int *total = gathered_weight + (size_t)n * stride + ring.s0;
    for (int l = 0; l < (points + 7) / 8 * 8; l++) re[l] = im[l] = total[l] = 0;
    for (int e = entry_start[n]; e < entry_start[n + 1]; e++) {
        const float gamma = entry_weight[e] * image_scale, gamma_w = entry_weight[e] * weight_scale;
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
                re[l + shift] += whole(gamma, FMA(ar[l], pr[l], ai[l] * pi[l]));
                im[l + shift] += whole(sign, FMA(ai[l], pr[l], -ar[l] * pi[l]));
                total[l + shift] += whole(gamma_w, w[l]);
            }
        }
    }
}

/* Add a number to a sum: plainly where the work-item owns the copy, else by two 32-bit atomics, which every device has and which
 * leave the bits of one 64-bit addition. */
#if ATOMIC
inline void add_whole(__global long *at, long value)
{
    volatile __global uint *word = (volatile __global uint *)at;
    const ulong bits = (ulong)value;
    const uint low = (uint)bits, before = atomic_add(word, low);
    const uint high = (uint)(bits >> 32) + (before + low < before ? 1u : 0u);
    if (high) atomic_add(word + 1, high);
}
#else
inline void add_whole(__global long *at, long value) { *at += value; }
#endif

inline void add_voxel(__global long *at, float share, int re, int im, int w)
{
    const long t = (int)(share * SHARES);
    add_whole(at, t * re);
    add_whole(at + 1, t * im);
    add_whole(at + 2, t * w);
}

/* Add a point to the 8 voxels around it, of which p is the lowest. It is static to be inlined: some CPU drivers else call it for
 * each point. */
static inline void insert_point(__global long *p, float x1, float y1, float z1, int re, int im, int w, int side, int width)
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
    __global const int *restrict gathered, __global const int *restrict gathered_weight, __global long *restrict accumulator,
    const int slices, const int count, const int stride, const int classes, const int side, const int width)
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
        __global const int *zr = gathered + (size_t)r * 2 * stride, *zi = zr + stride, *u = gathered_weight + (size_t)r * stride;
        for (int l = start; l < end; l += VW) {
            /* Cells of VW points first: on a CPU that is vector arithmetic. */
            int base[VW], re[VW], im[VW], w[VW];
            float fx[VW], fy[VW], fz[VW];
            for (int i = 0; i < VW; i++) {
                const float x = kx[l + i], y = ky[l + i];
                const Cell c = cell_of(FMA(ax, x, bx * y), FMA(ay, x, by * y), FMA(az, x, bz * y), side, width);
                base[i] = c.base;
                fx[i] = c.fx;
                fy[i] = c.fy;
                fz[i] = c.fz;
                re[i] = zr[l + i];
                im[i] = c.sign < 0.0f ? -zi[l + i] : zi[l + i];
                w[i] = u[l + i];
            }
            for (int i = 0; i < VW; i++) {
                if ((re[i] | im[i] | w[i]) == 0) continue; /* a pad, or a zero of the CTF */
                insert_point(target + 3 * (size_t)base[i], fx[i], fy[i], fz[i], re[i], im[i], w[i], side, width);
            }
        }
    }
}

__kernel void slice_residual(__global const float *restrict slice, __global const int4 *restrict rings,
    __global const int *restrict direction, __global const int *restrict gathered, __global const int *restrict gathered_weight,
    __global long *restrict residual, const int stride, const int circle, const float slice_scale)
{
    const int4 ring = rings[get_global_id(0)];
    const int n = (int)get_global_id(1);
    __global const float *yr = slice + (size_t)direction[n] * 2 * circle + ring.s2, *yi = yr + circle;
    __global const int *zr = gathered + (size_t)n * 2 * stride + ring.s0, *zi = zr + stride;
    __global const int *u = gathered_weight + (size_t)n * stride + ring.s0;
    long upper = 0, lower = 0, cross = 0;
    for (int l = 0; l < ring.s1; l++) {
        const int re = whole(yr[l], slice_scale), im = whole(yi[l], slice_scale);
        const long power = (long)re * re + (long)im * im;
        upper += (long)u[l] * (int)(power >> HALF_BITS);
        lower += (long)u[l] * (int)(power & ((1 << HALF_BITS) - 1));
        cross += (long)zr[l] * re + (long)zi[l] * im;
    }
    __global long *sums = residual + 3 * ((size_t)n * get_global_size(0) + get_global_id(0));
    sums[0] = upper;
    sums[1] = lower;
    sums[2] = cross;
}
