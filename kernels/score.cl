/* Every image against every rotation and shift of the coarse grid, as one register-blocked matrix product.
 *
 *   E(i,r,t) = N(i,r) - 2 sum_l Re( conj(A_il) S_l(t) Y_rl ),     N(i,r) = sum_l W_il |Y_rl|^2
 *   F(i,r)   = log sum_t exp(-E(i,r,t))
 *
 * The product runs over the 2 count reals of the coefficients (real and imaginary part in turn, radius order). The table of
 * energies is never stored: a work-item goes through the shifts of one image and keeps a running log-sum-exp for each rotation.
 *
 * Operands are packed in panels, so that either side is read as one stream:
 *   left   [image][tile][k][TM]      rows are shifts: conj(S_l) A_l; the last tile is padded with zeros
 *   right  [block][k][TN]            columns are rotations: Y_l;  power [block][l][TN]: |Y_l|^2
 *
 * buffer    shape                             unit                                 in/out
 * image     (B,2,stride)                      A                                    in
 * weight    (B,stride)                        W                                    in
 * phase     (S,2,stride)                      S_l(t)                               in
 * volume    (side,side,width) float2          padded Fourier volume                in
 * rows      (R,8)                             rotation rows in padded points       in
 * left      (B,tiles,2 count,TM)              pack_images: out; score_grid: in
 * right     (R/TN,2 count,TN)                 pack_slices: out; score_grid: in
 * power     (R/TN,count,TN)                   pack_slices: out; score_grid: in
 * log_sum   (B,R)                             F, nats                              out
 *
 * launch: pack_images (count, tiles, B); pack_slices (R/TN); score_grid (R/TN, B).
 * R is a multiple of TN.
 * macros: TM x TN outputs a work-item, TN a multiple of VW.     twin: reference.score_grid
 */
#include "fourier.h"
#ifndef TM
#define TM 4
#endif
#ifndef TN
#define TN VW
#endif
#define NV (TN / VW)

__kernel void pack_images(__global const float *restrict image, __global const float *restrict phase, __global float *restrict left,
    const int count, const int shifts, const int stride)
{
    const int l = (int)get_global_id(0), tile = (int)get_global_id(1), i = (int)get_global_id(2);
    const int tiles = (int)get_global_size(1);
    const float ar = image[(size_t)i * 2 * stride + l], ai = image[((size_t)i * 2 + 1) * stride + l];
    __global float *out = left + (((size_t)i * tiles + tile) * count + l) * 2 * TM;
    for (int m = 0; m < TM; m++) {
        const int s = tile * TM + m;
        const float pr = s < shifts ? phase[(size_t)s * 2 * stride + l] : 0.0f;
        const float pi = s < shifts ? phase[((size_t)s * 2 + 1) * stride + l] : 0.0f;
        out[m] = FMA(ar, pr, ai * pi);
        out[TM + m] = FMA(ai, pr, -ar * pi);
    }
}

__kernel void pack_slices(__global const float2 *restrict volume, __global const float *restrict kx, __global const float *restrict ky,
    __global const float *restrict rows, __global float *restrict right, __global float *restrict power, const int count,
    const int side, const int width)
{
    const int block = (int)get_global_id(0);
    for (int n = 0; n < TN; n++) {
        __global const float *r = rows + 8 * (block * TN + n);
        for (int l = 0; l < count; l++) {
            const float u = kx[l], v = ky[l];
            const float2 y = sample(volume, FMA(r[0], u, r[4] * v), FMA(r[1], u, r[5] * v), FMA(r[2], u, r[6] * v), side, width);
            const size_t at = ((size_t)block * count + l) * TN + n;
            right[((size_t)block * count + l) * 2 * TN + n] = y.x;
            right[((size_t)block * count + l) * 2 * TN + TN + n] = y.y;
            power[at] = FMA(y.x, y.x, y.y * y.y);
        }
    }
}

__kernel void score_grid(__global const float *restrict left, __global const float *restrict right, __global const float *restrict power,
    __global const float *restrict weight, __global float *restrict log_sum, const int count, const int shifts, const int stride)
{
    const int block = (int)get_global_id(0), i = (int)get_global_id(1), blocks = (int)get_global_size(0);
    const int tiles = (shifts + TM - 1) / TM;
    __global const float *b = right + (size_t)block * 2 * count * TN;
    __global const float *w = weight + (size_t)i * stride;
    FV norm[NV], best[NV], sum[NV];
#pragma unroll
    for (int j = 0; j < NV; j++) norm[j] = (FV)(0.0f), best[j] = (FV)(-FLT_MAX), sum[j] = (FV)(0.0f);
    __global const float *p = power + (size_t)block * count * TN;
    for (int l = 0; l < count; l++) {
#pragma unroll
        for (int j = 0; j < NV; j++) norm[j] = FMA((FV)(w[l]), LOAD(p + l * TN + j * VW), norm[j]);
    }
    for (int tile = 0; tile < tiles; tile++) {
        __global const float *a = left + ((size_t)i * tiles + tile) * 2 * count * TM;
        FV acc[TM][NV];
#pragma unroll
        for (int m = 0; m < TM; m++) {
#pragma unroll
            for (int j = 0; j < NV; j++) acc[m][j] = (FV)(0.0f);
        }
        for (int k = 0; k < 2 * count; k++) {
            FV column[NV];
#pragma unroll
            for (int j = 0; j < NV; j++) column[j] = LOAD(b + k * TN + j * VW);
#pragma unroll
            for (int m = 0; m < TM; m++) {
                const FV row = (FV)(a[k * TM + m]);
#pragma unroll
                for (int j = 0; j < NV; j++) acc[m][j] = FMA(row, column[j], acc[m][j]);
            }
        }
        const int valid = min(TM, shifts - tile * TM);
#pragma unroll
        for (int j = 0; j < NV; j++) {
            FV high = best[j];
#pragma unroll
            for (int m = 0; m < TM; m++) {
                acc[m][j] = m < valid ? FMA((FV)(2.0f), acc[m][j], -norm[j]) : (FV)(-FLT_MAX);
                high = acc[m][j] > high ? acc[m][j] : high;
            }
            FV total = sum[j] * exp(best[j] - high);
#pragma unroll
            for (int m = 0; m < TM; m++) total += exp(acc[m][j] - high);
            best[j] = high;
            sum[j] = total;
        }
    }
#pragma unroll
    for (int j = 0; j < NV; j++) STORE(best[j] + log(sum[j]), log_sum + ((size_t)i * blocks + block) * TN + j * VW);
}
