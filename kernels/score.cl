/* Every image against every rotation and shift of the coarse grid, all in-plane angles at once.
 *
 *   E(i,r,t) = N(i,r) - 2 sum_l Re( conj(A_il) S_l(t) Y_rl ),     N(i,r) = sum_l W_il |Y_rl|^2
 *   F(i,r)   = log sum_t exp(-E(i,r,t))
 *
 * As a function of the in-plane angle j, either sum is a circular correlation on each ring: a product of harmonics. With Z_rm and
 * Y_rm the harmonics of z = conj(S) A and of the slice on ring r of n_r points,
 *
 *   c_j = sum_m e^(2 pi i m j / TURN) C_m,   C_m = sum_r 1/n_r sum_(m' = m mod TURN) conj(Z_rm') Y_rm'
 *
 * is the cross term over whole turns, twice that over half turns: -E = c_j - N_j. C_(TURN-m) is the conjugate of C_m, so m runs
 * from 0 to TURN / 2. Even m give the part that repeats after half a turn, odd m the part that changes its sign; N has even m only.
 * A value and its opposite are conjugates, hence even harmonics come from the real parts on half a turn, odd ones from the imaginary.
 *
 * The slice of the opposite direction is this one read backwards (slices.cl), so its harmonics are (-1)^m e^(2 pi i m / TURN) conj(Y_rm).
 * Therefore the scores of both come from the same four real products: those of conj(Z) conj(Y) give, at part j of a turn, what belongs to
 * the opposite direction at the in-plane angle j - 1 - TURN / 2.
 * The table of energies is never stored: a work-item goes through the shifts of one image and keeps a running log-sum-exp.
 *
 * buffer       shape                        unit                                                  in/out
 * rings        (rings,4) int                start in rows, half points, start in whole turns, points a step   in
 * trigonometry (table,2)                    cosine and sine of a turn's parts                      in
 * image        (B,2,stride)                 A                                                     in
 * weight       (B,stride)                   W                                                     in
 * phase        (S,2,stride)                 S_l(t)                                                in
 * slice        (D,2,circle)                 Y, whole turns                                        in
 * places       (S,2) int                    direction of a slice that is taken, and the opposite one or -1   in
 * left         (B,tiles,MODES,terms,2,TM)   Z over n_r, twice that between the ends of m; terms are pairs of ring and m'; TM shifts
 *                                           image_harmonics: out; score_grid: in
 * left_norm    (B,MODES,terms,2)            the same of W, half of it                             image_harmonics: out; score_grid: in
 * right        (S/VW,MODES,terms,2,VW)      Y of VW slices                                        slice_harmonics: out; score_grid: in
 * right_norm   (S/VW,MODES,terms,2,VW)      harmonics of |Y|^2                                    slice_harmonics: out; score_grid: in
 * log_sum      (B,D,TURN)                   F, nats                                               out
 *
 * launch: image_harmonics (tiles + 1, B); slice_harmonics (S/VW); score_grid (S/VW, B)
 * macros: TM shifts and VW slices a work-item; TURN in-plane angles, a multiple of 4; TRACK 1 for the best shifts too
 * twins: reference.image_harmonics, reference.slice_harmonics, reference.score_grid
 */
#include "elementary.h"
#ifndef TM
#define TM 4
#endif
#ifndef TURN
#define TURN 24
#endif
#ifndef TRACK
#define TRACK 0
#endif
#if TURN > 24
#define UNROLL _Pragma("unroll 1") /* unrolled, finer levels would not fit the registers of a GPU */
#else
#define UNROLL _Pragma("unroll")
#endif
#define HALF (TURN / 2)
#define QUARTER (TURN / 4)
#define MODES (HALF + 1)
#define MAX_HALF_POINTS (4 * HALF)
#if VW > 1 && TM > 2 && !defined(__AVX512VL__) && !defined(__aarch64__)
#define PAIR 2 /* sixteen registers hold the sums of no more shifts */
#else
#define PAIR TM
#endif

#if TM == 1
typedef float FT;
#elif TM == 4
typedef float4 FT;
#elif TM == 8
typedef float8 FT;
#else
#error "TM must be 1, 4 or 8"
#endif

/* Harmonics of values on half a turn: even ones from x, odd ones from y, the real and imaginary parts. */
inline void harmonic_of(const FT *x, const FT *y, __global const float2 *trigonometry, int table, int step, int half_points, int odd, FT *re, FT *im)
{
    FT cosines = (FT)(0.0f), sines = (FT)(0.0f);
    const FT *v = odd ? y : x;
    for (int a = 0, at = 0; a < half_points; a++) {
        const float2 t = trigonometry[at];
        cosines = FMA(v[a], (FT)(t.x), cosines);
        sines = FMA(v[a], (FT)(t.y), sines);
        at += step;
        at -= at >= table ? table : 0;
    }
    *re = 2.0f * (odd ? sines : cosines);
    *im = 2.0f * (odd ? cosines : -sines);
}

__kernel void image_harmonics(__global const int4 *restrict rings, __global const float2 *restrict trigonometry, __global const float *restrict image,
    __global const float *restrict weight, __global const float *restrict phase, __global float *restrict left,
    __global float *restrict left_norm, const int ring_count, const int terms, const int table, const int shifts, const int stride)
{
    const int tile = (int)get_global_id(0), i = (int)get_global_id(1), tiles = (int)get_global_size(0) - 1;
    __global const float *ar = image + (size_t)i * 2 * stride, *ai = ar + stride, *w = weight + (size_t)i * stride;
    __global float *norm = left_norm + (size_t)i * MODES * terms * 2;
    __global FT *out = (__global FT *)left + ((size_t)i * tiles + tile) * MODES * terms * 2;
    FT x[MAX_HALF_POINTS], y[MAX_HALF_POINTS], re, im;
    int term = 0;
    for (int r = 0; r < ring_count; r++) {
        const int4 ring = rings[r];
        for (int a = 0; a < ring.s1; a++) {
            const int l = ring.s0 + a;
            if (tile == tiles) {
                x[a] = (FT)(0.5f * w[l]);
                y[a] = (FT)(0.0f);
                continue;
            }
            float *xs = (float *)(x + a), *ys = (float *)(y + a);
            for (int s = 0; s < TM; s++) {
                __global const float *p = phase + (size_t)min(tile * TM + s, shifts - 1) * 2 * stride + l;
                xs[s] = FMA(ar[l], p[0], ai[l] * p[stride]);
                ys[s] = FMA(ai[l], p[0], -ar[l] * p[stride]);
            }
        }
        for (int q = 0; q < ring.s3; q++, term++) {
            for (int m = 0; m < MODES; m++) {
                const int step = (m + TURN * q) * (table / (2 * ring.s1)) % table, at = (m * terms + term) * 2;
                harmonic_of(x, y, trigonometry, table, step, ring.s1, m & 1, &re, &im);
                const float share = (m == 0 || m == HALF ? 0.5f : 1.0f) * reciprocal((float)ring.s1); /* conjugate modes count too */
                if (tile == tiles) {
                    norm[at] = share * ((const float *)&re)[0];
                    norm[at + 1] = share * ((const float *)&im)[0];
                } else {
                    out[at] = share * re;
                    out[at + 1] = share * im;
                }
            }
        }
    }
}

__kernel void slice_harmonics(__global const int4 *restrict rings, __global const float2 *restrict trigonometry, __global const float *restrict slice,
    __global const int2 *restrict places, __global float *restrict right, __global float *restrict right_norm, const int blocks,
    const int ring_count, const int terms, const int table, const int circle)
{
    const int block = (int)get_global_id(0);
    if (block >= blocks) return;
    for (int n = 0; n < VW; n++) {
        __global const float *yr = slice + (size_t)places[block * VW + n].s0 * 2 * circle, *yi = yr + circle;
        int term = 0;
        for (int r = 0; r < ring_count; r++) {
            const int4 ring = rings[r];
            const int points = 2 * ring.s1, every = table / points;
            for (int q = 0; q < ring.s3; q++, term++) {
                for (int m = 0; m < MODES; m++) {
                    const int harmonic = m + TURN * q, odd = m & 1;
                    float re = 0.0f, im = 0.0f, pr = 0.0f, pi = 0.0f;
                    for (int a = 0; a < ring.s1; a++) {
                        const float2 t = trigonometry[harmonic * a % points * every];
                        const float x = yr[ring.s2 + a], y = yi[ring.s2 + a], power = FMA(x, x, y * y);
                        re = FMA(odd ? y : x, odd ? t.y : t.x, re);
                        im = FMA(odd ? y : x, odd ? t.x : -t.y, im);
                        pr = FMA(power, t.x, pr);
                        pi = FMA(-power, t.y, pi);
                    }
                    const size_t at = (((size_t)block * MODES + m) * terms + term) * 2 * VW + n;
                    right[at] = 2.0f * re;
                    right[at + VW] = 2.0f * im;
                    right_norm[at] = odd ? 0.0f : 2.0f * pr;
                    right_norm[at + VW] = odd ? 0.0f : 2.0f * pi;
                }
            }
        }
    }
}

/* Sums over the even modes: the part of c_j, j < HALF, that repeats after half a turn. */
inline void sum_even(const FV *re, const FV *im, __global const float2 *parts, FV *p)
{
    UNROLL
    for (int j = 0; j <= QUARTER; j++) {
        FV even = (FV)(0.0f), odd = (FV)(0.0f);
        UNROLL
        for (int m = 0, at = 0; m <= HALF; m += 2) {
            even = FMA(re[m], (FV)(parts[at].x), even);
            odd = FMA(im[m], (FV)(parts[at].y), odd);
            at = at + 2 * j < TURN ? at + 2 * j : at + 2 * j - TURN;
        }
        p[j] = even - odd;
        if (j > 0) p[HALF - j] = even + odd;
    }
}

/* Sums over the odd modes: the part that changes its sign. */
inline void sum_odd(const FV *re, const FV *im, __global const float2 *parts, FV *q)
{
    UNROLL
    for (int j = 0; j <= QUARTER; j++) {
        FV even = (FV)(0.0f), odd = (FV)(0.0f);
        UNROLL
        for (int m = 1, at = j; m < HALF; m += 2) {
            even = FMA(re[m], (FV)(parts[at].x), even);
            odd = FMA(im[m], (FV)(parts[at].y), odd);
            at = at + 2 * j < TURN ? at + 2 * j : at + 2 * j - TURN;
        }
        q[j] = even - odd;
        if (j > 0) q[HALF - j] = -even - odd;
    }
}

inline void add_weight(FV x, FV *best, FV *sum)
{
    const FV high = x > *best ? x : *best, low = x > *best ? *best : x, less = exponential(low - high);
    *sum = x > *best ? FMA(*sum, less, (FV)(1.0f)) : *sum + less;
    *best = high;
}

/* Take one more shift into the running log-sum-exp of one side, from the harmonics of its cross term. */
inline void add_shift(const FV *re, const FV *im, __global const float2 *parts, const FV *norm, FV *best, FV *sum
#if TRACK
    , FV *shift, float number
#endif
)
{
    FV p[HALF], q[HALF];
    sum_even(re, im, parts, p);
    sum_odd(re, im, parts, q);
#if TRACK
#pragma unroll 1 /* with the best shifts, all at once would not fit the registers of an Intel GPU */
#endif
    for (int j = 0; j < HALF; j++) {
        const FV first = p[j] + q[j] - norm[j], second = p[j] - q[j] - norm[j];
#if TRACK
        shift[j] = first > best[j] ? (FV)(number) : shift[j];
        shift[HALF + j] = second > best[HALF + j] ? (FV)(number) : shift[HALF + j];
#endif
        add_weight(first, best + j, sum + j);
        add_weight(second, best + HALF + j, sum + HALF + j);
    }
}

/* From the four real products of harmonics: those of the direction itself, and of the opposite one. */
inline void both_sides(FV rr, FV ii, FV ri, FV ir, FV *re, FV *im, FV *re_o, FV *im_o)
{
    *re = rr + ii;
    *im = ri - ir;
    *re_o = rr - ii;
    *im_o = -ri - ir;
}

__kernel void score_grid(__global const float *restrict left, __global const float *restrict left_norm, __global const float *restrict right,
    __global const float *restrict right_norm, __global const float2 *restrict parts, __global const int2 *restrict places,
    __global float *restrict log_sum,
#if TRACK
    __global float *restrict best_weight, __global int *restrict best_shift,
#endif
    const int terms, const int shifts, const int directions)
{
    const int block = (int)get_global_id(0), i = (int)get_global_id(1), tiles = (shifts + TM - 1) / TM;
    __global const float *b = right + (size_t)block * MODES * terms * 2 * VW, *bn = right_norm + (size_t)block * MODES * terms * 2 * VW;
    __global const float *an = left_norm + (size_t)i * MODES * terms * 2;
    FV re[2][TM][MODES], im[2][TM][MODES], norm[2][HALF], best[2][TURN], sum[2][TURN];
#if TRACK
    FV shift[2][TURN];
    for (int j = 0; j < TURN; j++) shift[0][j] = shift[1][j] = (FV)(0.0f);
#endif
    for (int m = 0; m < MODES; m += 2) {
        FV rr = (FV)(0.0f), ii = (FV)(0.0f), ri = (FV)(0.0f), ir = (FV)(0.0f);
        for (int k = 2 * m * terms; k < 2 * (m + 1) * terms; k += 2) {
            const FV wr = (FV)(an[k]), wi = (FV)(an[k + 1]), yr = LOAD(bn + k * VW), yi = LOAD(bn + (k + 1) * VW);
            rr = FMA(wr, yr, rr);
            ii = FMA(wi, yi, ii);
            ri = FMA(wr, yi, ri);
            ir = FMA(wi, yr, ir);
        }
        both_sides(rr, ii, ri, ir, &re[0][0][m], &im[0][0][m], &re[1][0][m], &im[1][0][m]);
    }
    for (int side = 0; side < 2; side++) {
        sum_even(re[side][0], im[side][0], parts, norm[side]);
        for (int j = 0; j < TURN; j++) {
            best[side][j] = (FV)(-FLT_MAX);
            sum[side][j] = (FV)(0.0f);
        }
    }
    for (int tile = 0; tile < tiles; tile++) {
        __global const float *a = left + ((size_t)i * tiles + tile) * MODES * terms * 2 * TM;
        for (int m = 0; m < MODES; m++) {
            for (int first = 0; first < TM; first += PAIR) { /* shifts whose products are summed together */
                FV rr[PAIR], ii[PAIR], ri[PAIR], ir[PAIR];
#pragma unroll
                for (int s = 0; s < PAIR; s++) rr[s] = ii[s] = ri[s] = ir[s] = (FV)(0.0f);
                for (int k = 2 * m * terms; k < 2 * (m + 1) * terms; k += 2) {
                    const FV yr = LOAD(b + k * VW), yi = LOAD(b + (k + 1) * VW);
#pragma unroll
                    for (int s = 0; s < PAIR; s++) {
                        const FV zr = (FV)(a[k * TM + first + s]), zi = (FV)(a[(k + 1) * TM + first + s]);
                        rr[s] = FMA(zr, yr, rr[s]);
                        ii[s] = FMA(zi, yi, ii[s]);
                        ri[s] = FMA(zr, yi, ri[s]);
                        ir[s] = FMA(zi, yr, ir[s]);
                    }
                }
#pragma unroll
                for (int s = 0; s < PAIR; s++) {
                    const int t = first + s;
                    both_sides(rr[s], ii[s], ri[s], ir[s], &re[0][t][m], &im[0][t][m], &re[1][t][m], &im[1][t][m]);
                }
            }
        }
        for (int s = 0; s < min(TM, shifts - tile * TM); s++) {
            for (int side = 0; side < 2; side++) {
#if TRACK
                add_shift(re[side][s], im[side][s], parts, norm[side], best[side], sum[side], shift[side], (float)(tile * TM + s));
#else
                add_shift(re[side][s], im[side][s], parts, norm[side], best[side], sum[side]);
#endif
            }
        }
    }
    for (int side = 0; side < 2; side++) {
        for (int j = 0; j < TURN; j++) {
            const FV value = best[side][j] + logarithm(sum[side][j]);
            const int angle = side ? (j + HALF - 1) % TURN : j;
            for (int n = 0; n < VW; n++) {
                const int2 place = places[block * VW + n];
                const int row = side ? place.s1 : place.s0;
                if (row < 0) continue;
                const size_t at = ((size_t)i * directions + row) * TURN + angle;
                log_sum[at] = ((const float *)&value)[n];
#if TRACK
                best_weight[at] = ((const float *)(best[side] + j))[n];
                best_shift[at] = (int)((const float *)(shift[side] + j))[n];
#endif
            }
        }
    }
}
