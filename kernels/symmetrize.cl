/* Symmetrisation: the numerator and denominator that insertion under every operator of a point group would have given.
 *
 *   out(k) = sum_g acc(g k)                      acc: trilinear between its points, conjugated where g k has x < 0
 *
 * Inserting a slice at A g for every operator g is inserting it at A and adding up the map turned by every g. The map is read between
 * the points of a grid `padding` times finer than its own, so that little is lost (docs/method.md, "Symmetry").
 *
 * buffer      shape                         unit                                            in/out
 * fine        (K,fine_side,fine_side,fine_width) float4   N real, N imaginary, D, 0         in
 * operators   (n,9)                         rotation matrices, C order                      in
 * out         (K,side,side,width) float4    sums over the operators, zero beyond the radius   out
 *
 * launch: (side, side, K).   twin: reference.symmetrize
 */
#include "fourier.h"

inline float4 sample4(__global const float4 *restrict fine, Cell c, int side, int width)
{
    __global const float4 *p = fine + c.base, *q = p + width;
    __global const float4 *s = p + side * width, *t = s + width;
    const float4 x = (float4)(c.fx), y = (float4)(c.fy), z = (float4)(c.fz);
    const float4 a = FMA(x, p[1] - p[0], p[0]), b = FMA(x, q[1] - q[0], q[0]);
    const float4 d = FMA(x, s[1] - s[0], s[0]), e = FMA(x, t[1] - t[0], t[0]);
    const float4 lower = FMA(y, b - a, a), upper = FMA(y, e - d, d);
    float4 value = FMA(z, upper - lower, lower);
    value.y *= c.sign;
    return value;
}

__kernel void symmetrize(__global const float4 *restrict fine, __global const float *restrict operators, __global float4 *restrict out,
    const int n, const int padding, const float radius, const int side, const int width, const int fine_side, const int fine_width)
{
    const int iz = (int)get_global_id(0), iy = (int)get_global_id(1), k = (int)get_global_id(2);
    const float z = (float)(iz - side / 2), y = (float)(iy - side / 2), fold = (float)padding;
    fine += (size_t)k * fine_side * fine_side * fine_width;
    for (int ix = 0; ix < width; ix++) {
        const float x = (float)ix;
        float4 sum = (float4)(0.0f);
        if (FMA(x, x, FMA(y, y, z * z)) <= radius * radius) {
            for (int i = 0; i < n; i++) {
                __global const float *g = operators + 9 * i;
                const float px = fold * FMA(g[0], x, FMA(g[1], y, g[2] * z)), py = fold * FMA(g[3], x, FMA(g[4], y, g[5] * z));
                const float pz = fold * FMA(g[6], x, FMA(g[7], y, g[8] * z));
                sum = FMA((float4)(1.0f), sample4(fine, cell_of(px, py, pz, fine_side, fine_width), fine_side, fine_width), sum);
            }
        }
        out[(((size_t)k * side + iz) * side + iy) * width + ix] = sum;
    }
}
