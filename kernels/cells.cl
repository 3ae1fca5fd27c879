/* Energies of chosen poses: the cells that survived a coarser stage.
 *
 *   E(h) = sum_l W_l |Y_l|^2 - 2 Re( conj(A_l) S_l(t) Y_l ) - boost(h),   Y_l = V(R^T l),   A = C X / sigma^2,   W = C^2 / sigma^2
 *
 * A pair is one image and one rotation; a hypothesis is a pair and one shift. The slice is made once a pair and serves
 * all its shifts, whose phases come from a table.
 *
 * buffer      shape             unit                                                       in/out
 * volume      (side,side,width) float2, padded Fourier volume                              in
 * kx, ky      (stride,)         cycles a box, radius order, zero beyond `count`            in
 * image       (B,2,stride)      A, real and imaginary planes                               in
 * weight      (B,stride)        W                                                          in
 * phase       (S,2,stride)      S_l(t), real and imaginary planes                          in
 * rows        (pairs,8)         first two rows of the rotation in padded grid points       in
 * pair_image  (pairs,)          image of a pair                                            in
 * pair_start  (pairs+1,)        first hypothesis of a pair                                 in
 * hyp_shift   (hyps,)           shift of a hypothesis                                      in
 * hyp_boost   (hyps,)           log of the mass that a sampled hypothesis stands for over its own (posterior.cl)   in
 * log_weight  (hyps,)           -E, nats, up to a constant an image                        out
 *
 * launch: one work-item a pair.  macros: VW, CHUNK (coefficients held at a time, a multiple of VW).   twin: reference.score_cells
 */
#include "fourier.h"
#ifndef CHUNK
#define CHUNK 32
#endif

__kernel void score_cells(__global const float2 *restrict volume, __global const float *restrict kx, __global const float *restrict ky,
    __global const float *restrict image, __global const float *restrict weight, __global const float *restrict phase,
    __global const float *restrict rows, __global const int *restrict pair_image, __global const int *restrict pair_start,
    __global const int *restrict hyp_shift, __global const float *restrict hyp_boost, __global float *restrict log_weight, const int pairs, const int count, const int stride,
    const int side, const int width)
{
    const int pair = (int)get_global_id(0);
    if (pair >= pairs) return;
    __global const float *r = rows + 8 * (size_t)pair;
    const float ax = r[0], ay = r[1], az = r[2], bx = r[4], by = r[5], bz = r[6];
    __global const float *a = image + (size_t)pair_image[pair] * 2 * stride;
    __global const float *w = weight + (size_t)pair_image[pair] * stride;
    const int first = pair_start[pair], last = pair_start[pair + 1];
    FV zr[CHUNK / VW], zi[CHUNK / VW];
    float norm = 0.0f;

    for (int h = first; h < last; h++) log_weight[h] = hyp_boost[h];
    for (int start = 0; start < count; start += CHUNK) {
        const int length = min(CHUNK, count - start);
        float *yr = (float *)zr, *yi = (float *)zi;
        for (int i = 0; i < length; i++) {
            const float u = kx[start + i], v = ky[start + i];
            const float2 y = sample(volume, FMA(ax, u, bx * v), FMA(ay, u, by * v), FMA(az, u, bz * v), side, width);
            yr[i] = y.x;
            yi[i] = y.y;
        }
        for (int i = length; i < CHUNK; i++) yr[i] = yi[i] = 0.0f;
        FV power = (FV)(0.0f);
        for (int j = 0; j < CHUNK / VW; j++) {
            const int k = start + j * VW;
            const FV re = zr[j], im = zi[j], ar = LOAD(a + k), ai = LOAD(a + stride + k);
            power = FMA(LOAD(w + k), FMA(re, re, im * im), power);
            zr[j] = FMA(ar, re, ai * im);
            zi[j] = FMA(ar, im, -ai * re);
        }
        norm += SUM_LANES(power);
        for (int h = first; h < last; h++) {
            __global const float *p = phase + (size_t)hyp_shift[h] * 2 * stride + start;
            FV cross = (FV)(0.0f);
            for (int j = 0; j < CHUNK / VW; j++)
                cross = FMA(zr[j], LOAD(p + j * VW), FMA(-zi[j], LOAD(p + stride + j * VW), cross));
            log_weight[h] = FMA(2.0f, SUM_LANES(cross), log_weight[h]);
        }
    }
    for (int h = first; h < last; h++) log_weight[h] -= norm;
}
