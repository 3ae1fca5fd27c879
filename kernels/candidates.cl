/* Candidate poses from stage to stage: what survives, how many, and what comes next, without leaving the device.
 *
 * Candidates of an image are a run of pairs (one rotation each), and those of a pair a run of hypotheses (one shift each). A
 * hypothesis survives when its log weight x = value + boost reaches its image's threshold; in a sampled image the others survive
 * where the running sum of exp(x - threshold) passes a whole number, and then stand for the threshold (posterior.cl).
 *
 * An image has one row of candidates or, where its classes are followed apart, one a class: row i belongs to image i / groups, and
 * the coarse rotations of all classes follow each other.
 *
 * Counting, prefix sums and writing are three launches; count and write walk a row in the same order.
 *
 * buffer         shape          unit                                                             in/out
 * log_sum        (rows,rotations)  log weight of a coarse rotation over all shifts                in
 * statistics     (rows,4)          of posterior.cl: threshold in z, sampled or cut in w             in
 * offset         (rows,)         start of the systematic sample; negative: cut                    in
 * counts         (rows,2)       pairs and hypotheses that the next stage takes from a row        out (count_*), in
 * starts         (rows+1,2)       their prefix sums                                                out (prefix_sums), in
 * pair_first     (rows+1,)      first pair of a row                                              in
 * pair_rotation, pair_start (P,), (P+1,)     cell of the rotation grid, first hypothesis          in
 * hyp_shift, value, boost   (H,)             cell of the shift grid, log weight, log of mass over its own   in
 * next_*         as above, pair_image (P,)   of the next stage; next_value 0 or the value that goes on      out
 *
 * launch: count_*, write_* one work-item a row; prefix_sums one work-item
 * twins: reference.keep_rotations, reference.keep_hypotheses, reference.split_hypotheses, reference.row_starts
 */
#include "elementary.h"

#define NEGLIGIBLE -16.0f /* nats under the threshold from which an entry is never sampled: 1e-7 of an entry */

/* Whether an entry survives; `carry` runs along the row and starts at its offset. */
inline int survives(float x, float threshold, int sampled, float *carry)
{
    if (x >= threshold) return 1;
    if (!sampled || x - threshold < NEGLIGIBLE) return 0;
    *carry += exponential(x - threshold);
    if (*carry < 1.0f) return 0;
    *carry -= 1.0f;
    return 1;
}


__kernel void count_rotations(__global const float *restrict log_sum, __global const float4 *restrict statistics,
    __global const float *restrict offset, __global int *restrict counts, const int row_count, const int rotations, const int shifts)
{
    const int i = (int)get_global_id(0);
    if (i >= row_count) return;
    const int sampled = statistics[i].w > 0.0f && offset[i] >= 0.0f;
    const float threshold = statistics[i].z;
    __global const float *x = log_sum + (size_t)i * rotations;
    float carry = offset[i];
    int pairs = 0;
    for (int r = 0; r < rotations; r++) pairs += survives(x[r], threshold, sampled, &carry);
    counts[2 * i] = pairs;
    counts[2 * i + 1] = pairs * shifts;
}

__kernel void count_cells(__global const int *restrict pair_first, __global const int *restrict pair_start, __global const float *restrict value,
    __global const float *restrict boost, __global const float4 *restrict statistics, __global const float *restrict offset,
    __global int *restrict counts, const int row_count, const int pairs_each, const int hyps_each)
{
    const int i = (int)get_global_id(0);
    if (i >= row_count) return;
    const int sampled = statistics[i].w > 0.0f && offset[i] >= 0.0f;
    const float threshold = statistics[i].z;
    float carry = offset[i];
    int pairs = 0, hyps = 0;
    for (int p = pair_first[i]; p < pair_first[i + 1]; p++) {
        int kept = 0;
        for (int h = pair_start[p]; h < pair_start[p + 1]; h++) kept += survives(value[h] + boost[h], threshold, sampled, &carry);
        pairs += kept > 0 ? pairs_each : 0;
        hyps += kept * hyps_each;
    }
    counts[2 * i] = pairs;
    counts[2 * i + 1] = hyps;
}

__kernel void prefix_sums(__global const int *restrict counts, __global int *restrict starts, __global int *restrict pair_first, const int row_count)
{
    int pairs = 0, hyps = 0;
    for (int i = 0; i <= row_count; i++) {
        starts[2 * i] = pair_first[i] = pairs;
        starts[2 * i + 1] = hyps;
        if (i == row_count) return;
        pairs += counts[2 * i];
        hyps += counts[2 * i + 1];
    }
}

/* Every shift of the coarse grid for the rotations that survive. */
__kernel void write_rotations(__global const float *restrict log_sum, __global const float4 *restrict statistics,
    __global const float *restrict offset, __global const int *restrict starts, __global int *restrict next_pair_image,
    __global int *restrict next_pair_rotation, __global int *restrict next_pair_start, __global int *restrict next_hyp_shift,
    __global float *restrict next_value, __global float *restrict next_boost, const int row_count, const int groups, const int rotations,
    const int shifts)
{
    const int i = (int)get_global_id(0);
    if (i >= row_count) return;
    const int sampled = statistics[i].w > 0.0f && offset[i] >= 0.0f;
    const float threshold = statistics[i].z;
    float carry = offset[i];
    int pair = starts[2 * i], hyp = starts[2 * i + 1];
    for (int r = 0; r < rotations; r++) {
        const float x = log_sum[(size_t)i * rotations + r];
        if (!survives(x, threshold, sampled, &carry)) continue;
        next_pair_image[pair] = i / groups;
        next_pair_rotation[pair] = i % groups * rotations + r;
        next_pair_start[pair++] = hyp;
        for (int s = 0; s < shifts; s++, hyp++) {
            next_hyp_shift[hyp] = s;
            next_value[hyp] = 0.0f;
            next_boost[hyp] = fmax(threshold - x, 0.0f);
        }
    }
    if (i == row_count - 1) next_pair_start[pair] = hyp;
}

/* The hypotheses that survive, with their values: for the next rings of the same cells. */
__kernel void write_survivors(__global const int *restrict pair_first, __global const int *restrict pair_rotation,
    __global const int *restrict pair_start, __global const int *restrict hyp_shift, __global const float *restrict value,
    __global const float *restrict boost, __global const float4 *restrict statistics, __global const float *restrict offset,
    __global const int *restrict starts, __global int *restrict next_pair_image, __global int *restrict next_pair_rotation,
    __global int *restrict next_pair_start, __global int *restrict next_hyp_shift, __global float *restrict next_value,
    __global float *restrict next_boost, const int row_count, const int groups)
{
    const int i = (int)get_global_id(0);
    if (i >= row_count) return;
    const int sampled = statistics[i].w > 0.0f && offset[i] >= 0.0f;
    const float threshold = statistics[i].z;
    float carry = offset[i];
    int pair = starts[2 * i], hyp = starts[2 * i + 1];
    for (int p = pair_first[i]; p < pair_first[i + 1]; p++) {
        const int first = hyp;
        for (int h = pair_start[p]; h < pair_start[p + 1]; h++) {
            const float x = value[h] + boost[h];
            if (!survives(x, threshold, sampled, &carry)) continue;
            next_hyp_shift[hyp] = hyp_shift[h];
            next_value[hyp] = value[h];
            next_boost[hyp++] = boost[h] + fmax(threshold - x, 0.0f);
        }
        if (hyp == first) continue;
        next_pair_image[pair] = i / groups;
        next_pair_rotation[pair] = pair_rotation[p];
        next_pair_start[pair++] = first;
    }
    if (i == row_count - 1) next_pair_start[pair] = hyp;
}

/* The children of the hypotheses that survive: 8 rotations of each pair, each with 4 shifts of each surviving shift. */
__kernel void write_children(__global const int *restrict pair_first, __global const int *restrict pair_rotation,
    __global const int *restrict pair_start, __global const int *restrict hyp_shift, __global const float *restrict value,
    __global const float *restrict boost, __global const float4 *restrict statistics, __global const float *restrict offset,
    __global const int *restrict starts, __global int *restrict next_pair_image, __global int *restrict next_pair_rotation,
    __global int *restrict next_pair_start, __global int *restrict next_hyp_shift, __global float *restrict next_value,
    __global float *restrict next_boost, const int row_count, const int groups, const int in_plane)
{
    const int i = (int)get_global_id(0);
    if (i >= row_count) return;
    const int sampled = statistics[i].w > 0.0f && offset[i] >= 0.0f;
    const float threshold = statistics[i].z;
    float carry = offset[i];
    int pair = starts[2 * i], hyp = starts[2 * i + 1];
    for (int p = pair_first[i]; p < pair_first[i + 1]; p++) {
        const int first = hyp, direction = pair_rotation[p] / in_plane, angle = pair_rotation[p] % in_plane;
        for (int h = pair_start[p]; h < pair_start[p + 1]; h++) {
            const float x = value[h] + boost[h];
            if (!survives(x, threshold, sampled, &carry)) continue;
            for (int child = 0; child < 4; child++, hyp++) {
                next_hyp_shift[hyp] = 4 * hyp_shift[h] + child;
                next_value[hyp] = 0.0f;
                next_boost[hyp] = boost[h] + fmax(threshold - x, 0.0f);
            }
        }
        const int each = hyp - first;
        if (each == 0) continue;
        for (int child = 0; child < 8; child++) {
            next_pair_image[pair] = i / groups;
            next_pair_rotation[pair] = (4 * direction + child / 2) * 2 * in_plane + 2 * angle + child % 2;
            next_pair_start[pair++] = first + child * each;
            if (child == 0) continue;
            for (int j = 0; j < each; j++, hyp++) {
                next_hyp_shift[hyp] = next_hyp_shift[first + j];
                next_value[hyp] = 0.0f;
                next_boost[hyp] = next_boost[first + j];
            }
        }
    }
    if (i == row_count - 1) next_pair_start[pair] = hyp;
}

/* First hypothesis of each row. */
__kernel void row_starts(__global const int *restrict pair_first, __global const int *restrict pair_start, __global int *restrict row_start,
    const int entries)
{
    const int i = (int)get_global_id(0);
    if (i >= entries) return;
    row_start[i] = pair_start[pair_first[i]];
}
