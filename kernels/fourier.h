/* Trilinear access to a padded Fourier volume, half of it by Friedel symmetry.
 *
 * volume: float2 V[z][y][x], C order, (side, side, width); index side/2 along z and y and index 0 along x are frequency 0,
 * and a point with x < 0 is the conjugate of the opposite one.
 */
#ifndef FOURIER_H
#define FOURIER_H
#include "vector.h"

typedef struct {
    int base;         /* index of the lower corner */
    float fx, fy, fz; /* fractions towards the upper corner */
    float sign;       /* -1 where the point was reflected to x >= 0: its value is the conjugate */
} Cell;

/* The cell that holds the point (px, py, pz), |p| < side/2 - 1. Truncating a shifted, positive number is floor without a call. */
inline Cell cell_of(float px, float py, float pz, int side, int width)
{
    Cell c;
    c.sign = px < 0.0f ? -1.0f : 1.0f;
    const float middle = (float)(side / 2);
    const float x = px * c.sign, y = FMA(py, c.sign, middle), z = FMA(pz, c.sign, middle);
    const int ix = (int)x, iy = (int)y, iz = (int)z;
    c.fx = x - (float)ix;
    c.fy = y - (float)iy;
    c.fz = z - (float)iz;
    c.base = (iz * side + iy) * width + ix;
    return c;
}

/* Neighbours along x, read as one. Some CPU drivers keep vload4() as a call into a library, as they do fma(). */
typedef float4 Neighbours __attribute__((aligned(8)));
#define NEIGHBOURS(p) (*(__global const Neighbours *)(p))

/* Value in a cell; x is interpolated last. */
inline float2 value_in(__global const float2 *restrict volume, Cell c, int side, int width)
{
    __global const float2 *p = volume + c.base, *q = p + side * width;
    const float4 a = NEIGHBOURS(p), b = NEIGHBOURS(p + width), d = NEIGHBOURS(q), e = NEIGHBOURS(q + width);
    const float4 lower = FMA((float4)(c.fy), b - a, a), upper = FMA((float4)(c.fy), e - d, d);
    const float4 edge = FMA((float4)(c.fz), upper - lower, lower);
    float2 value = FMA((float2)(c.fx), edge.hi - edge.lo, edge.lo);
    value.y *= c.sign;
    return value;
}

/* Value at a point. */
inline float2 sample(__global const float2 *restrict volume, float px, float py, float pz, int side, int width)
{
    return value_in(volume, cell_of(px, py, pz, side, width), side, width);
}

/* Values at VW points of a central slice: u along the row a of its rotation, v along b. Their cells are found before the first is read:
 * on a CPU that is vector arithmetic, and leaves so little work between reads that many of them are under way at once. */
inline void sample_points(__global const float2 *restrict volume, __global const float *restrict u, __global const float *restrict v,
    float4 a, float4 b, FV *re, FV *im, int side, int width)
{
    int base[VW];
    float fx[VW], fy[VW], fz[VW], sign[VW];
    for (int i = 0; i < VW; i++) {
        const Cell c = cell_of(FMA(a.x, u[i], b.x * v[i]), FMA(a.y, u[i], b.y * v[i]), FMA(a.z, u[i], b.z * v[i]), side, width);
        base[i] = c.base;
        fx[i] = c.fx;
        fy[i] = c.fy;
        fz[i] = c.fz;
        sign[i] = c.sign;
    }
    float *x = (float *)re, *y = (float *)im;
    for (int i = 0; i < VW; i++) {
        const Cell c = {base[i], fx[i], fy[i], fz[i], sign[i]};
        const float2 value = value_in(volume, c, side, width);
        x[i] = value.x;
        y[i] = value.y;
    }
}

#endif
