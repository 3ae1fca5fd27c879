/* The minibatch made ready for scoring: CTF and noise weights, coarser rings, and the phases of the shift grid.
 *
 *   C_l = s exp(-B k^2 / 4) sin( pi lambda dz k^2 - pi/2 Cs lambda^3 k^4 + phi ),   dz k^2 a quadratic form in (kx, ky)
 *   A_l = a_l C_l X_l / sigma_l^2,    W_l = a_l C_l^2 / sigma_l^2,    S_l(t) = d_l exp(-2 pi i l.t / N)
 *
 * where X is the image; of one that was multiplied by its CTF, Y = C X, it is A_l = a_l Y_l / sigma_l^2. With a_l the area of point l, so that sums over points are sums over the coefficients of the image, and d_l = 1 or, where a
 * shift stands for its cell, the damping of the mean over the cell; W then has d_l^2.
 *
 * buffer         shape          unit                                                              in/out
 * kx, ky         (stride,)      cycles a box, ring by ring, zero at pads                          in
 * spectrum       (B,2,stride)   X, real and imaginary planes                                      in
 * optics         (B,8)          mean defocus, astigmatism along x and along the diagonal (times pi lambda, a box^-2),   in
 *                               pi/2 Cs lambda^3 (a box^-4), phi (rad), B/4 (a box^-2), scale, 1 where a CTF applies,
 *                               2 where the image was multiplied by it too
 * inverse_noise  (stride,)      a / sigma^2, zero at pads                                         in
 * image, weight  (B,2,stride), (B,stride)   A and W                                               out (weigh_images)
 * fine_image, fine_weight       A and W on finer rings, (B,2,fine), (B,fine)                      in
 * source         (stride,)      entry of a point on the finer rings, -1 at pads                   in
 * share          (stride,)      area of a point over its area on the finer rings                  in
 * damping        (stride,)      d                                                                 in
 * shifts         (S,2)          x, y in fractions of the box                                      in
 * phase          (S,2,stride)   S_l(t), real and imaginary planes                                 out (phase_table)
 *
 * launch: weigh_images, select_points (stride/8, B); phase_table (stride/8, S): 8 points a work-item
 * twins: reference.weigh_images, reference.select_points, reference.phase_table
 */
#include "elementary.h"
#define LANES 8 /* rows are multiples of this */

__kernel void weigh_images(__global const float *restrict kx, __global const float *restrict ky, __global const float *restrict spectrum,
    __global const float *restrict optics, __global const float *restrict inverse_noise, __global float *restrict image,
    __global float *restrict weight, const int stride)
{
    const int first = (int)get_global_id(0) * LANES, i = (int)get_global_id(1);
    __global const float *o = optics + 8 * i;
    for (int l = first; l < first + LANES; l++) {
        float ctf = 1.0f;
        if (o[7] > 0.0f) {
            const float x = kx[l], y = ky[l], s2 = FMA(x, x, y * y);
            const float defocus = FMA(o[0], s2, FMA(o[1], FMA(x, x, -(y * y)), o[2] * 2.0f * x * y));
            ctf = o[6] * exponential(-o[5] * s2) * sine(FMA(-o[3] * s2, s2, defocus) + o[4]);
        }
        const float w = ctf * inverse_noise[l], factor = o[7] > 1.5f ? inverse_noise[l] : w;
        const size_t at = (size_t)i * 2 * stride + l;
        image[at] = factor * spectrum[at];
        image[at + stride] = factor * spectrum[at + stride];
        weight[(size_t)i * stride + l] = w * ctf;
    }
}

__kernel void select_points(__global const float *restrict fine_image, __global const float *restrict fine_weight, __global const int *restrict source,
    __global const float *restrict share, __global const float *restrict damping, __global float *restrict image,
    __global float *restrict weight, const int stride, const int fine)
{
    const int first = (int)get_global_id(0) * LANES, i = (int)get_global_id(1);
    for (int l = first; l < first + LANES; l++) {
        const int from = max(source[l], 0);
        const size_t at = (size_t)i * 2 * stride + l;
        image[at] = share[l] * fine_image[(size_t)i * 2 * fine + from];
        image[at + stride] = share[l] * fine_image[((size_t)i * 2 + 1) * fine + from];
        weight[(size_t)i * stride + l] = share[l] * damping[l] * damping[l] * fine_weight[(size_t)i * fine + from];
    }
}

__kernel void phase_table(__global const float *restrict kx, __global const float *restrict ky, __global const float *restrict shifts,
    __global const float *restrict damping, __global float *restrict phase, const int stride)
{
    const int first = (int)get_global_id(0) * LANES, s = (int)get_global_id(1);
    for (int l = first; l < first + LANES; l++) {
        const float turns = FMA(kx[l], shifts[2 * s], ky[l] * shifts[2 * s + 1]);
        const float angle = -6.2831853f * (turns - rint(turns));
        const size_t at = (size_t)s * 2 * stride + l;
        phase[at] = damping[l] * cosine(angle);
        phase[at + stride] = damping[l] * sine(angle);
    }
}
