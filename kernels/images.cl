/* The minibatch made ready for scoring: CTF and noise weights, and the phases of the shift grid.
 *
 *   C_l = s exp(-B k^2 / 4) sin( pi lambda dz k^2 - pi/2 Cs lambda^3 k^4 + phi ),   dz k^2 a quadratic form in (kx, ky)
 *   A_l = C_l X_l / sigma_l^2,    W_l = C_l^2 / sigma_l^2,    S_l(t) = exp(-2 pi i l.t / N)
 *
 * buffer         shape          unit                                                              in/out
 * kx, ky         (stride,)      cycles a box, radius order, zero beyond the last coefficient      in
 * spectrum       (B,2,stride)   X, real and imaginary planes, noise variance 1 in the background   in
 * optics         (B,8)          mean defocus, astigmatism along x and along the diagonal (times pi lambda, a box^-2),   in
 *                               pi/2 Cs lambda^3 (a box^-4), phi (rad), B/4 (a box^-2), scale, 1 where a CTF applies
 * inverse_noise  (stride,)      1 / sigma^2, zero beyond the last coefficient                     in
 * image, weight  (B,2,stride), (B,stride)   A and W                                               out
 * shifts         (S,2)          x, y in fractions of the box                                      in
 * phase          (S,2,stride)   S_l(t), real and imaginary planes                                 out
 *
 * launch: weigh_images (stride, B); phase_table (stride, S)
 * twins: reference.weigh_images, reference.phase_table
 */
#include "vector.h"

__kernel void weigh_images(__global const float *restrict kx, __global const float *restrict ky, __global const float *restrict spectrum,
    __global const float *restrict optics, __global const float *restrict inverse_noise, __global float *restrict image,
    __global float *restrict weight, const int stride)
{
    const int l = (int)get_global_id(0), i = (int)get_global_id(1);
    __global const float *o = optics + 8 * i;
    float ctf = 1.0f;
    if (o[7] > 0.0f) {
        const float x = kx[l], y = ky[l], s2 = FMA(x, x, y * y);
        const float defocus = FMA(o[0], s2, FMA(o[1], x * x - y * y, o[2] * 2.0f * x * y));
        ctf = o[6] * exp(-o[5] * s2) * sin(FMA(-o[3] * s2, s2, defocus) + o[4]);
    }
    const float w = ctf * inverse_noise[l];
    const size_t at = (size_t)i * 2 * stride + l;
    image[at] = w * spectrum[at];
    image[at + stride] = w * spectrum[at + stride];
    weight[(size_t)i * stride + l] = w * ctf;
}

__kernel void phase_table(__global const float *restrict kx, __global const float *restrict ky, __global const float *restrict shifts,
    __global float *restrict phase, const int stride)
{
    const int l = (int)get_global_id(0), s = (int)get_global_id(1);
    const float turns = FMA(kx[l], shifts[2 * s], ky[l] * shifts[2 * s + 1]);
    const float angle = -6.2831853f * (turns - rint(turns));
    const size_t at = (size_t)s * 2 * stride + l;
    phase[at] = cos(angle);
    phase[at + stride] = sin(angle);
}
