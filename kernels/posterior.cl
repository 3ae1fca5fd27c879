/* Posteriors of the rows of a ragged table of log weights, and the smallest set of entries that holds enough of a row's mass.
 *
 *   p_j = exp(x_j - max x),   Z = sum_j p_j,   ESS = Z^2 / sum_j p_j^2
 *   kept: p_j >= threshold, where the threshold is lowered bin by bin (256 bins of 0.11 nats) until the kept mass is at least
 *   (1 - omitted) Z, or until the next bin would bring more than `limit` entries; the first bin is always kept
 *
 * buffer      shape       unit                                                            in/out
 * row_start   (rows+1,)   first entry of a row                                            in
 * value       (entries,)  x in; p / Z out                                                 in/out
 * statistics  (rows,4)    log sum exp x, ESS, threshold on p / Z, kept mass               out
 * kept_count  (rows,)     entries with p / Z >= threshold                                 out
 * kept_start  (rows,)     where a row's kept entries go                                   in (compact_rows)
 * kept        (total,)    their indices, ascending within a row                           out (compact_rows)
 *
 * launch: one work-item a row. Entries more than RANGE nats under the best one count as zero.   macros: BINS
 * twins: reference.normalize_rows, reference.compact_rows
 */
#include "vector.h"
#ifndef BINS
#define BINS 256
#endif
#define RANGE 27.6f /* nats under the best entry: exp(-27.6) = 1e-12 of it */

__kernel void normalize_rows(__global const int *restrict row_start, __global float *restrict value, __global float4 *restrict statistics,
    __global int *restrict kept_count, const int rows, const float omitted, const int limit)
{
    const int row = (int)get_global_id(0);
    if (row >= rows) return;
    const int first = row_start[row], last = row_start[row + 1];
    float high = -FLT_MAX, sum = 0.0f, squares = 0.0f, mass[BINS];
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
        sum += p;
        squares = FMA(p, p, squares);
        mass[bin] += p;
        count[bin] += 1;
    }
    int bins = 0, entries = 0;
    float kept = 0.0f;
    while (bins < BINS && kept < (1.0f - omitted) * sum && (bins == 0 || entries + count[bins] <= limit)) {
        kept += mass[bins];
        entries += count[bins++];
    }
    const float scale = 1.0f / sum, threshold = exp(-RANGE / BINS * (float)bins) * scale;
    kept = 0.0f;
    entries = 0;
    for (int j = first; j < last; j++) {
        value[j] *= scale;
        if (value[j] >= threshold) kept += value[j], entries++;
    }
    statistics[row] = (float4)(high + log(sum), sum * sum / squares, threshold, kept);
    kept_count[row] = entries;
}

__kernel void compact_rows(__global const int *restrict row_start, __global const float *restrict value,
    __global const float4 *restrict statistics, __global const int *restrict kept_start, __global int *restrict kept, const int rows)
{
    const int row = (int)get_global_id(0);
    if (row >= rows) return;
    const float threshold = statistics[row].z;
    int at = kept_start[row];
    for (int j = row_start[row]; j < row_start[row + 1]; j++)
        if (value[j] >= threshold) kept[at++] = j;
}
