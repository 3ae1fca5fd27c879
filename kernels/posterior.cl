/* Posteriors of the rows of a ragged table of log weights, and where to cut or sample them.
 *
 *   x = value + boost,   p = exp(x - max x),   Z = sum p,   ESS = Z^2 / sum p^2
 *
 * Kept whole: entries within `window` nats of the best one, and as many more, most probable first, as it takes to keep all but
 * `omitted` of the mass; both in whole bins, of 1/8 nat unless the window is wider than 64 nats. Where that would take more than
 * its limit of entries, the row is sampled: the threshold is the lowest at which sum min(1, p / threshold) <= limit, entries above it
 * are kept, and of those below a systematic sample in proportion to p, each standing for the mass `threshold`. Sums over the kept
 * entries are then right in the mean, whatever the limit. A row whose offset is negative is cut instead: the bins that hold at most
 * as many entries are kept, and always the first. A row whose limit is 0 keeps nothing. Entries more than 27.6 nats under the best
 * one count as zero, unless they are within the window.
 *
 * buffer      shape       unit                                                              in/out
 * row_start   (rows+1,)   first entry of a row                                              in
 * offset      (rows,)     where the systematic sample starts, in [0, 1); negative: cut      in
 * window      (B,)        nats; row i is of image i / groups                                in
 * value       (entries,)  log weight                                                        in
 * boost       (entries,)  log of the mass an entry stands for over its own                  in (absent: 0)
 * limits      (rows,)     most entries that a row keeps                                     in
 * statistics  (rows,4)    log sum exp x, ESS, threshold on x, 1 where the limit acted        out
 *
 * launch: one work-item a row.   macros: BINS
 * twin: reference.survey_rows
 */
#include "elementary.h"
#ifndef BINS
#define BINS 512
#endif
#define RANGE 64.0f /* nats that the bins cover, or as many as the window has */
#define REACH 27.6f /* nats under the best entry beyond which entries outside the window count as zero: 1e-12 of it */
#define EDGE(bins) fmax(exponential(-(float)(bins) * width), FLT_MIN) /* lower edge of that many bins */

__kernel void survey_rows(__global const int *restrict row_start, __global const float *restrict offset, __global const float *restrict window,
    __global const float *restrict value, __global const float *restrict boost, __global const int *restrict limits,
    __global float4 *restrict statistics, const int rows, const int groups, const int boosted, const float omitted)
{
    const int row = (int)get_global_id(0);
    if (row >= rows) return;
    const int first = row_start[row], last = row_start[row + 1], limit = limits[row];
    const float near = window[row / groups];
    const float range = fmax(near, RANGE), reach = fmax(near, REACH), width = range * (1.0f / BINS), per_nat = reciprocal(width);
    float high = -FLT_MAX, squares = 0.0f, mass[BINS];
    int count[BINS];
    for (int j = first; j < last; j++) {
        const float x = boosted ? value[j] + boost[j] : value[j];
        high = x > high ? x : high;
    }
    for (int i = 0; i < BINS; i++) mass[i] = 0.0f, count[i] = 0;
    for (int j = first; j < last; j++) {
        const float depth = high - (boosted ? value[j] + boost[j] : value[j]);
        if (!(depth < reach)) continue; /* NaN too */
        const float p = exponential(-depth);
        const float at = depth * per_nat;
        const int lower = (int)at, bin = min(lower - (lower > 0 && (float)lower == at), BINS - 1); /* an edge is of the better bin */
        squares = FMA(p, p, squares);
        mass[bin] += p;
        count[bin] += 1;
    }
    /* From the least probable bins up: beside the large sum, the small ones would be lost in rounding. */
    float sum = 0.0f, below = 0.0f;
    int entries = 0, bins = BINS;
    for (int i = BINS - 1; i >= 0; i--) {
        sum = ADD(sum, mass[i]);
        entries += count[i];
    }
    const int all = entries, within = min((int)ceil(near * per_nat), BINS);
    while (bins > within && below + mass[bins - 1] <= omitted * sum) {
        below += mass[--bins];
        entries -= count[bins];
    }
    const int limited = entries > limit, cut = offset[row] < 0.0f && limit > 0;
    if (limited) {
        bins = BINS;
        below = 0.0f;
        entries = all;
        while (bins > cut && FMA(cut ? 0.0f : below, reciprocal(EDGE(bins)), (float)entries) > (float)limit) {
            below += mass[--bins];
            entries -= count[bins];
        }
    }
    float threshold = FMA(-(float)bins, width, high);
    if (limited && bins == 0) threshold = limit ? high + logarithm(fmax(1.0f, sum * reciprocal((float)limit))) : INFINITY;
    statistics[row] = (float4)(high + logarithm(sum), sum * sum * reciprocal(squares), threshold, (float)limited);
}
