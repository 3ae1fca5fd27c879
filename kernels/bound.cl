/* Bounds of the pose search: what a cell may hide, and what the rings that were not yet evaluated can at least cost.
 *
 *   whitened, on ring r:  x_r^2 = sum |X|^2 / sigma^2,   y_r^2 = sum C^2 |Y|^2 / sigma^2,   E = sum_r |x_r - y_r|^2 - sum_r x_r^2
 *
 * window         (sigmas / sqrt 2 + sqrt v)^2, v = sum_r of what the mean slice of a cell has lost of y_r^2 on average over the cell, in
 *                the cell that lost most: if the map is right, a true pose of which no more was lost leaves its cell no further behind
 *                another one, but with the chance of `sigmas`. In a corner of that cell more is lost (docs/method.md, "Bound").
 * probabilistic  y^2 - 2 y y* - sigmas sqrt(2) y over the whole tail,   y* the norm of the strongest slice, or what the image's own
 *                power leaves room for: exceeds the true pose's tail with the chance of `sigmas` at most, if y* is no less than its
 *                norm. Where the CTF varies on a ring, both norms are taken with its largest weight: the bound falls with y up to y*.
 * deterministic  sum_r min over y_r of y_r^2 - 2 x_r y_r: by the reverse triangle inequality never more than the tail, for any image,
 *                map and noise. The least and the largest weight of a ring bound y_r where the CTF varies on it.
 *
 * buffer      shape           unit                                                                       in/out
 * image       (B,2,stride)    A, real and imaginary planes                                               in
 * weight      (B,stride)      W                                                                          in
 * rings       (rings,4) int   start in rows, half points, start in whole turns, points a step            in
 * powers      (B,rings) float4   sum of W, least and largest W times the ring's points, x_r^2            out (ring_powers), in
 * power, lost (D,rings)       mean |Y|^2 of a ring, and what the mean over a cell lost of it             in
 * damping     (rings,)        share of a slice's power that is left when it is averaged over a cell of shifts   in
 * share                       of the loss that belongs to the level: a quarter for each level below that of the slices   in
 * hidden      (rings,)        most that any cell's mean slice has lost of |Y|^2                          out (hidden_power), in
 * window      (B,)            nats                                                                       out
 * strongest   (B,)            y*^2 of the tail                                                           out (strongest_slices), in
 * tail        (B,D) float2    probabilistic and deterministic lower bound of E on the tail               out
 *
 * The tail are rings first to last - 1.
 * launch: ring_powers (rings, B); hidden_power (rings); cell_windows, strongest_slices (B); tail_bounds (D, B)
 * twins: reference.ring_powers, .hidden_power, .cell_windows, .strongest_slices, .tail_bounds
 */
#include "elementary.h"

__kernel void ring_powers(__global const float *restrict image, __global const float *restrict weight, __global const int4 *restrict rings,
    __global float4 *restrict powers, const int stride)
{
    const int r = (int)get_global_id(0), i = (int)get_global_id(1), start = rings[r].s0, points = rings[r].s1;
    __global const float *ar = image + (size_t)i * 2 * stride + start, *ai = ar + stride, *w = weight + (size_t)i * stride + start;
    float sum = 0.0f, least = FLT_MAX, largest = 0.0f, power = 0.0f;
    for (int l = 0; l < points; l++) {
        sum = ADD(sum, w[l]);
        least = fmin(least, w[l]);
        largest = fmax(largest, w[l]);
        power = FMA(FMA(ar[l], ar[l], ai[l] * ai[l]), w[l] < FLT_MIN ? 0.0f : reciprocal(w[l]), power);
    }
    powers[(size_t)i * get_global_size(0) + r] = (float4)(sum, least * (float)points, largest * (float)points, power);
}

__kernel void hidden_power(__global const float *restrict power, __global const float *restrict lost, __global const float *restrict damping,
    __global float *restrict hidden, const int rings, const int directions, const float share)
{
    const int r = (int)get_global_id(0);
    if (r >= rings) return;
    float most = 0.0f;
    for (int d = 0; d < directions; d++) most = fmax(most, FMA(1.0f - damping[r], power[d * rings + r], share * lost[d * rings + r]));
    hidden[r] = most;
}

__kernel void cell_windows(__global const float4 *restrict powers, __global const float *restrict hidden, __global float *restrict window,
    const int images, const int rings, const int stride, const float sigmas)
{
    const int i = (int)get_global_id(0);
    if (i >= images) return;
    float v = 0.0f;
    for (int r = 0; r < rings; r++) v = FMA(powers[(size_t)i * stride + r].x, hidden[r], v);
    const float reach = FMA(sigmas, 0.70710678f, root(v));
    window[i] = reach * reach;
}

__kernel void strongest_slices(__global const float4 *restrict powers, __global const float *restrict power, __global float *restrict strongest,
    const int images, const int directions, const int first, const int last, const int rings, const int stride, const float sigmas,
    const float noise, const int model_free)
{
    const int i = (int)get_global_id(0);
    if (i >= images) return;
    float most = 0.0f, own = 0.0f;
    for (int r = first; r < last; r++) own = ADD(own, powers[(size_t)i * stride + r].w);
    for (int d = 0; d < directions; d++) {
        float sum = 0.0f;
        for (int r = first; r < last; r++) sum = FMA(powers[(size_t)i * stride + r].z, power[(size_t)d * rings + r], sum);
        most = fmax(most, sum);
    }
    const float signal = fmax(own - noise, 0.0f);
    strongest[i] = model_free ? fmax(most, FMA(sigmas, root(FMA(2.0f, signal, noise)), signal)) : most;
}

__kernel void tail_bounds(__global const float4 *restrict powers, __global const float *restrict power, __global const float *restrict strongest,
    __global float2 *restrict tail, const int first, const int last, const int rings, const int stride, const float sigmas)
{
    const int d = (int)get_global_id(0), i = (int)get_global_id(1);
    float sum = 0.0f, certain = 0.0f;
    for (int r = first; r < last; r++) {
        const float4 p = powers[(size_t)i * stride + r];
        const float y2 = power[(size_t)d * rings + r], x = root(p.w);
        const float y = clamp(x, root(p.y * y2), root(p.z * y2));
        sum = FMA(p.z, y2, sum);
        certain = FMA(y, FMA(-2.0f, x, y), certain);
    }
    const float y = root(sum);
    tail[(size_t)i * get_global_size(0) + d] = (float2)(y * FMA(-1.41421356f, sigmas, FMA(-2.0f, root(strongest[i]), y)), certain);
}
