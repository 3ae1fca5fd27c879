/* Central slices of the maps on rings, and their means over the cells of the search grid.
 *
 *   Y_dl = V_k(A_d^T l)                                  A_d: direction d at its first in-plane angle, k: its class
 *   mean slice of a cell = mean of the slices of its 8 children           4 directions, 2 in-plane angles
 *   power_dr = mean over ring r of |Y_dl|^2,   lost_dr = mean over the cell of that power - power of the mean slice
 *
 * Slices are held as whole turns, so that the slice at any in-plane angle of the grid is a run of memory: half a turn
 * from the angle's point on, conjugated (imaginary part negated) beyond half a turn.
 *
 * Opposite directions share a plane, seen from its two sides: A_o, the matrix of the direction opposite to d, has
 * A_o^T (cos a, sin a, 0) = A_d^T (cos b, sin b, 0) with b = -a - step, since first in-plane angles are half a step. So the slice of
 * one is that of the other read backwards, and only one of them is sampled.
 *
 * buffer        shape                     unit                                                            in/out
 * volume        (K,side,side,width) float2   padded Fourier volume of each class                           in
 * kx, ky        (stride,)                 cycles a box, ring by ring                                      in
 * rows          (S,8)                     rotation rows in padded points and class (grid.cl), of each slice to sample   in
 * places        (S,2) int                 row of the tables that a slice goes to, and that of the opposite direction or -1   in
 * rings         (rings,4) int             start in rows, half points, start in whole turns, points a step in
 * excess        (rings,)                  power that the volume's blur has taken, over what it has left   in
 * slice         (D,2,circle)              Y, real and imaginary planes, whole turns                       out
 * power, lost   (D,rings)                 |map|^2                                                         out
 * fine_*        (4D,2,fine_circle), (4D,fine_count) of the next level; children of direction d are 4d to 4d+3   in
 * turns         (4,9)                     small rotations                                                 in
 * blurred       (K,side,side,width) float2   mean of the volumes over them, zero beyond the radius         out
 *
 * launch: make_slices (rings, S); mean_slices (rings, D); blur_volume (K side, side).   macros: VW, of which whole rings are multiples
 * twins: reference.make_slices, reference.mean_slices, reference.blur_volume
 */
#include "elementary.h"
#include "fourier.h"
#define LANES 8 /* points that are repeated after a whole turn */

inline void close_circle(__global float *restrict re, __global float *restrict im, int points)
{
    for (int a = 0; a < LANES; a++) {
        re[points + a] = re[a];
        im[points + a] = im[a];
    }
}

/* The second half of a turn from the first; what pads have left beyond half a turn is written over. */
inline void complete_turn(__global float *restrict re, __global float *restrict im, int half_points)
{
    for (int a = 0; a < half_points; a += VW) {
        STORE_ANY(LOAD(re + a), re + half_points + a);
        STORE_ANY(-LOAD(im + a), im + half_points + a);
    }
    close_circle(re, im, 2 * half_points);
}

__kernel void make_slices(__global const float2 *restrict volume, __global const float *restrict kx, __global const float *restrict ky,
    __global const float *restrict rows, __global const int2 *restrict places, __global const int4 *restrict rings,
    __global const float *restrict excess, __global float *restrict slice, __global float *restrict power, __global float *restrict lost,
    const int circle, const int side, const int width)
{
    const int r = (int)get_global_id(0), count = (int)get_global_size(0), i = (int)get_global_id(1);
    const int own = places[i].s0, opposite = places[i].s1;
    const int start = rings[r].s0, half_points = rings[r].s1, step = rings[r].s3;
    __global const float *m = rows + 8 * (size_t)i;
    __global float *re = slice + (size_t)own * 2 * circle + rings[r].s2, *im = re + circle;
    const float4 along_u = (float4)(m[0], m[1], m[2], 0.0f), along_v = (float4)(m[4], m[5], m[6], 0.0f);
    volume += (size_t)m[3] * side * side * width;
    for (int a = 0; a < half_points; a += VW) {
        FV x, y;
        sample_points(volume, kx + start + a, ky + start + a, along_u, along_v, &x, &y, side, width);
        STORE(x, re + a);
        STORE(y, im + a);
    }
    complete_turn(re, im, half_points);
    FV sum = (FV)(0.0f);
    for (int a = 0; a < 2 * half_points; a += VW) sum = FMA(LOAD(re + a), LOAD(re + a), FMA(LOAD(im + a), LOAD(im + a), sum));
    const float mean = SUM_LANES(sum) * reciprocal((float)(2 * half_points));
    power[own * count + r] = mean;
    lost[own * count + r] = excess[r] * mean;
    if (opposite < 0) return;
    __global float *re_o = slice + (size_t)opposite * 2 * circle + rings[r].s2, *im_o = re_o + circle;
    for (int a = 0; a < half_points; a += VW) {
        const int first = 2 * half_points - step - a - (VW - 1);
        STORE(BACKWARDS(LOAD_ANY(re + first)), re_o + a);
        STORE(BACKWARDS(LOAD_ANY(im + first)), im_o + a);
    }
    complete_turn(re_o, im_o, half_points);
    power[opposite * count + r] = mean;
    lost[opposite * count + r] = excess[r] * mean;
}

__kernel void mean_slices(__global const float *restrict fine_slice, __global const float *restrict fine_power,
    __global const float *restrict fine_lost, __global const int4 *restrict fine_rings, __global const int4 *restrict rings,
    __global float *restrict slice, __global float *restrict power, __global float *restrict lost, const int circle,
    const int fine_circle, const int fine_count)
{
    const int r = (int)get_global_id(0), d = (int)get_global_id(1), at = d * (int)get_global_size(0) + r;
    const int half_points = rings[r].s1, ratio = fine_rings[r].s1 / half_points, step = fine_rings[r].s3;
    __global float *re = slice + (size_t)d * 2 * circle + rings[r].s2, *im = re + circle;
    for (int a = 0; a < half_points; a++) re[a] = im[a] = 0.0f;
    float whole = 0.0f, sum = 0.0f;
    for (int child = 4 * d; child < 4 * d + 4; child++) {
        __global const float *cr = fine_slice + (size_t)child * 2 * fine_circle + fine_rings[r].s2, *ci = cr + fine_circle;
        for (int a = 0; a < half_points; a++) {
            re[a] = FMA(0.125f, cr[a * ratio] + cr[a * ratio + step], re[a]);
            im[a] = FMA(0.125f, ci[a * ratio] + ci[a * ratio + step], im[a]);
        }
        whole = FMA(0.25f, fine_power[(size_t)child * fine_count + r] + fine_lost[(size_t)child * fine_count + r], whole);
    }
    for (int a = 0; a < half_points; a++) {
        re[a + half_points] = re[a];
        im[a + half_points] = -im[a];
        sum = FMA(re[a], re[a], FMA(im[a], im[a], sum));
    }
    close_circle(re, im, 2 * half_points);
    power[at] = sum * reciprocal((float)half_points);
    lost[at] = fmax(whole - power[at], 0.0f);
}

__kernel void blur_volume(__global const float2 *restrict volume, __global const float *restrict turns, __global float2 *restrict blurred,
    const float radius, const int side, const int width)
{
    const int row = (int)get_global_id(0), iz = row % side, iy = (int)get_global_id(1);
    const float z = (float)(iz - side / 2), y = (float)(iy - side / 2);
    volume += (size_t)(row / side) * side * side * width;
    for (int ix = 0; ix < width; ix++) {
        const float x = (float)ix;
        float2 sum = (float2)(0.0f);
        if (FMA(x, x, FMA(y, y, z * z)) <= radius * radius) {
            for (int t = 0; t < 4; t++) {
                __global const float *q = turns + 9 * t;
                const float2 value = sample(volume, FMA(q[0], x, FMA(q[1], y, q[2] * z)), FMA(q[3], x, FMA(q[4], y, q[5] * z)),
                    FMA(q[6], x, FMA(q[7], y, q[8] * z)), side, width);
                sum = FMA((float2)(0.25f), value, sum);
            }
        }
        blurred[((size_t)row * side + iy) * width + ix] = sum;
    }
}
