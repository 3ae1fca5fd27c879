/* Energies of chosen poses: the cells that survived a coarser stage, on the rings that were not yet counted.
 *
 *   E(h) = sum_l W_l |Y_l|^2 - 2 Re( conj(A_l) S_l(t) Y_l ),   Y_l the slice at the pose's rotation, A = a C X / sigma^2, W = a C^2 / sigma^2
 *
 * A pair is one image and one rotation; a hypothesis is a pair and one shift. A pair's slice multiplied with its image
 * serves several shifts, whose phases come from a table. score_cells reads slices of the grid (slices.cl), score_poses makes them.
 *
 * buffer         shape                    unit                                                          in/out
 * slice          (D,2,circle)             Y, whole turns                                                in
 * volume         (K,side,side,width) float2   padded Fourier volume of each class                       in
 * kx, ky         (stride,)                cycles a box, ring by ring                                    in
 * image          (B,2,stride)             A, real and imaginary planes                                  in
 * weight         (B,stride)               W                                                             in
 * phase          (S,2,stride)             S_l(t), real and imaginary planes                             in
 * rings          (rings,4) int            start in rows, half points, start in whole turns, points a step   in
 * rows           (pairs,8)                rotation rows in padded points, and class (grid.cl)           in
 * order          (pairs,)                 pair of a work-item: those of a direction one after the other are read from a CPU's cache   in
 * pair_image     (pairs,)                 image of a pair                                               in
 * pair_rotation  (pairs,)                 cell of the rotation grid: direction * in_plane + angle        in
 * pair_start     (pairs+1,)               first hypothesis of a pair                                    in
 * hyp_shift      (hyps,)                  shift of a hypothesis                                         in
 * log_weight     (hyps,)                  -E of the rings so far, nats                                  in/out
 *
 * launch: one work-item a pair; rings first to last - 1, entries begin to count - 1.  macros: VW, CHUNK (points held at a time, a multiple of VW)
 * twins: reference.score_cells, reference.score_poses
 */
#include "fourier.h"
#ifndef CHUNK
#define CHUNK 32
#endif

/* Multiply the slice in zr, zi with the image and return the slice's power; pads have no weight. */
inline float weigh_slice(FV *zr, FV *zi, __global const float *a, __global const float *w, int stride, int length)
{
    FV power = (FV)(0.0f);
    for (int j = 0; j < length / VW; j++) {
        const FV re = zr[j], im = zi[j], ar = LOAD(a + j * VW), ai = LOAD(a + stride + j * VW);
        power = FMA(LOAD(w + j * VW), FMA(re, re, im * im), power);
        zr[j] = FMA(ar, re, ai * im);
        zi[j] = FMA(ar, im, -ai * re);
    }
    return SUM_LANES(power);
}

inline void add_shifts(const FV *zr, const FV *zi, float norm, __global const float *phase, __global const int *hyp_shift,
    __global float *log_weight, int first, int last, int stride, int length)
{
    for (int h = first; h < last; h++) {
        __global const float *p = phase + (size_t)hyp_shift[h] * 2 * stride;
        FV cross = (FV)(0.0f);
        for (int j = 0; j < length / VW; j++) cross = FMA(zr[j], LOAD(p + j * VW), FMA(-zi[j], LOAD(p + stride + j * VW), cross));
        log_weight[h] += FMA(2.0f, SUM_LANES(cross), -norm);
    }
}

/* One work-item a pair, SHIFTS of its hypotheses at a time: their sums stay in registers from the first ring to the last. */
#define SHIFTS 4
#define ADD_SHIFT(cross, p) cross = FMA(zr, LOAD(p + k), FMA(-zi, LOAD(p + stride + k), cross))
#define PHASE_OF(h) (phase + (size_t)hyp_shift[min(h, last - 1)] * 2 * stride)
#define ADD_WEIGHT(h, cross) if (h < last) log_weight[h] += FMA(2.0f, SUM_LANES(cross), -norm)

__kernel void score_cells(__global const float *restrict slice, __global const float *restrict image, __global const float *restrict weight,
    __global const float *restrict phase, __global const int4 *restrict rings, __global const int *restrict order,
    __global const int *restrict pair_image, __global const int *restrict pair_rotation, __global const int *restrict pair_start,
    __global const int *restrict hyp_shift, __global float *restrict log_weight, const int pairs, const int first_ring,
    const int last_ring, const int in_plane, const int stride, const int circle)
{
    if ((int)get_global_id(0) >= pairs) return;
    const int pair = order[get_global_id(0)];
    const int direction = pair_rotation[pair] / in_plane, angle = pair_rotation[pair] % in_plane;
    const int last = pair_start[pair + 1], turned = angle >= in_plane / 2;
    __global const float *y = slice + (size_t)direction * 2 * circle;
    __global const float *a = image + (size_t)pair_image[pair] * 2 * stride;
    __global const float *w = weight + (size_t)pair_image[pair] * stride;
    const FV sign = (FV)(turned ? -1.0f : 1.0f);

    for (int h = pair_start[pair]; h < last; h += SHIFTS) {
        __global const float *p0 = PHASE_OF(h), *p1 = PHASE_OF(h + 1), *p2 = PHASE_OF(h + 2), *p3 = PHASE_OF(h + 3);
        FV power = (FV)(0.0f), cross0 = power, cross1 = power, cross2 = power, cross3 = power;
        for (int r = first_ring; r < last_ring; r++) {
            const int4 ring = rings[r];
            const int end = r + 1 < last_ring ? rings[r + 1].s0 : ring.s0 + (ring.s1 + 7) / 8 * 8;
            __global const float *yr = y + ring.s2 + ring.s3 * (turned ? angle - in_plane / 2 : angle);
            for (int k = ring.s0; k < end; k += VW, yr += VW) {
                const FV re = LOAD_ANY(yr), im = sign * LOAD_ANY(yr + circle), ar = LOAD(a + k), ai = LOAD(a + stride + k);
                const FV zr = FMA(ar, re, ai * im), zi = FMA(ar, im, -ai * re);
                power = FMA(LOAD(w + k), FMA(re, re, im * im), power); /* pads have no weight */
                ADD_SHIFT(cross0, p0);
                ADD_SHIFT(cross1, p1);
                ADD_SHIFT(cross2, p2);
                ADD_SHIFT(cross3, p3);
            }
        }
        const float norm = SUM_LANES(power);
        ADD_WEIGHT(h, cross0);
        ADD_WEIGHT(h + 1, cross1);
        ADD_WEIGHT(h + 2, cross2);
        ADD_WEIGHT(h + 3, cross3);
    }
}

__kernel void score_poses(__global const float2 *restrict volume, __global const float *restrict kx, __global const float *restrict ky,
    __global const float *restrict image, __global const float *restrict weight, __global const float *restrict phase,
    __global const float *restrict rows, __global const int *restrict order, __global const int *restrict pair_image,
    __global const int *restrict pair_start, __global const int *restrict hyp_shift, __global float *restrict log_weight, const int pairs,
    const int begin, const int count, const int stride, const int side, const int width)
{
    if ((int)get_global_id(0) >= pairs) return;
    const int pair = order[get_global_id(0)];
    __global const float *m = rows + 8 * (size_t)pair;
    const float4 along_u = (float4)(m[0], m[1], m[2], 0.0f), along_v = (float4)(m[4], m[5], m[6], 0.0f);
    __global const float *a = image + (size_t)pair_image[pair] * 2 * stride;
    __global const float *w = weight + (size_t)pair_image[pair] * stride;
    FV zr[CHUNK / VW], zi[CHUNK / VW];

    volume += (size_t)m[3] * side * side * width;
    for (int start = begin; start < count; start += CHUNK) {
        const int length = min(CHUNK, count - start);
        for (int j = 0; j < length / VW; j++)
            sample_points(volume, kx + start + j * VW, ky + start + j * VW, along_u, along_v, &zr[j], &zi[j], side, width);
        const float norm = weigh_slice(zr, zi, a + start, w + start, stride, length);
        add_shifts(zr, zi, norm, phase + start, hyp_shift, log_weight, pair_start[pair], pair_start[pair + 1], stride, length);
    }
}
