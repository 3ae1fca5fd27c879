/* Posteriors of the rows of a ragged table of log weights, and the few entries that stand for a row in the next stage.
 *
 *   p_j = exp(x_j - max x),   Z = sum_j p_j,   ESS = Z^2 / sum_j p_j^2
 *
 * Kept whole: entries with p_j >= threshold, which is lowered bin by bin (256 bins of 0.11 nats) until the kept mass is at least
 * (1 - omitted) Z. Where that would take more than `limit` entries, the row is sampled instead: the threshold is the lowest at
 * which sum_j min(1, p_j / threshold) <= limit, entries above it are kept, and of those below a systematic sample in proportion
 * to p_j, each standing for the mass `threshold`. Sums over the kept entries are then right in the mean, whatever the limit.
 * A row whose offset is negative is cut instead: the bins that hold at most `limit` entries are kept, and always the first.
 *
 * buffer      shape       unit                                                            in/out
 * row_start   (rows+1,)   first entry of a row                                            in
 * offset      (rows,)     where the systematic sample starts, in [0, 1); negative: cut       in
 * value       (entries,)  x in; p / Z out                                                 in/out
 * statistics  (rows,4)    log sum exp x, ESS, threshold on p / Z, 1 where the limit acted   out
 * kept_count  (rows,)     entries kept                                                    out
 * kept_start  (rows,)     where a row's kept entries go                                   in (compact_rows)
 * kept        (total,)    their indices, ascending within a row                           out (compact_rows)
 * boost       (total,)    log of the mass an entry stands for over its own, nats          out (compact_rows)
 *
 * launch: one work-item a row. Entries more than RANGE nats under the best one count as zero.   macros: BINS
 * twins: reference.normalize_rows, reference.compact_rows
 */
#include "vector.h"
#ifndef BINS
#define BINS 256
#endif
#define RANGE 27.6f /* nats under the best entry: exp(-27.6) = 1e-12 of it */
#define EDGE(bins) exp(-RANGE / BINS * (float)(bins)) /* lower edge of that many bins */

/* Whether an entry is kept; `carry` runs along the row and starts at its offset. */
inline int is_kept(float p, float threshold, int sampled, float *carry)
{
    if (p >= threshold) return 1;
    if (!sampled) return 0;
    *carry += p / threshold;
    if (*carry < 1.0f) return 0;
    *carry -= 1.0f;
    return 1;
}

__kernel void normalize_rows(__global const int *restrict row_start, __global const float *restrict offset,
    __global float *restrict value, __global float4 *restrict statistics, __global int *restrict kept_count, const int rows,
    const float omitted, const int limit)
{
    const int row = (int)get_global_id(0);
    if (row >= rows) return;
    const int first = row_start[row], last = row_start[row + 1];
    float high = -FLT_MAX, squares = 0.0f, mass[BINS];
    int count[BINS];
    for (int j = first; j < last; j++) high = value[j] > high ? value[j] : high;
    for (int i = 0; i < BINS; i++) mass[i] = 0.0f, count[i] = 0;
    for (int j = first; j < last; j++) {
        const float depth = high - value[j];
        if (!(depth < RANGE)) { /* NaN too */
            value[j] = 0.0f;
            continue;
        }
        const float p = exp(-depth);
        const int bin = (int)(depth * (BINS / RANGE));
        value[j] = p;
        squares = FMA(p, p, squares);
        mass[bin] += p;
        count[bin] += 1;
    }
    /* From the least probable bins up: beside the large sum, the small ones would be lost in rounding. */
    float sum = 0.0f, below = 0.0f;
    int entries = 0, bins = BINS;
    for (int i = BINS - 1; i >= 0; i--) {
        sum += mass[i];
        entries += count[i];
    }
    const int all = entries;
    while (bins > 0 && below + mass[bins - 1] <= omitted * sum) {
        below += mass[--bins];
        entries -= count[bins];
    }
    const int limited = entries > limit, cut = offset[row] < 0.0f;
    if (limited) {
        bins = BINS;
        below = 0.0f;
        entries = all;
        while (bins > cut && (float)entries + (cut ? 0.0f : below / EDGE(bins)) > (float)limit) {
            below += mass[--bins];
            entries -= count[bins];
        }
    }
    const int sampled = limited && !cut;
    float threshold = sampled && bins == 0 ? fmax(1.0f, sum / (float)limit) : EDGE(bins);
    const float scale = 1.0f / sum;
    float carry = offset[row];
    entries = 0;
    threshold *= scale;
    for (int j = first; j < last; j++) {
        value[j] *= scale;
        entries += is_kept(value[j], threshold, sampled, &carry);
    }
    statistics[row] = (float4)(high + log(sum), sum * sum / squares, threshold, (float)limited);
    kept_count[row] = entries;
}

__kernel void compact_rows(__global const int *restrict row_start, __global const float *restrict offset,
    __global const float *restrict value, __global const float4 *restrict statistics, __global const int *restrict kept_start,
    __global int *restrict kept, __global float *restrict boost, const int rows)
{
    const int row = (int)get_global_id(0);
    if (row >= rows) return;
    const float threshold = statistics[row].z;
    const int sampled = statistics[row].w > 0.0f && offset[row] >= 0.0f;
    float carry = offset[row];
    int at = kept_start[row];
    for (int j = row_start[row]; j < row_start[row + 1]; j++) {
        const float p = value[j];
        if (!is_kept(p, threshold, sampled, &carry)) continue;
        kept[at] = j;
        boost[at++] = p < threshold ? log(threshold / p) : 0.0f;
    }
}
