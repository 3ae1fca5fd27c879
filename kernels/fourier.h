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

/* Value at a point. Neighbours along x are read as one float4, and x is interpolated last. */
inline float2 sample(__global const float2 *restrict volume, float px, float py, float pz, int side, int width)
{
    const Cell c = cell_of(px, py, pz, side, width);
    __global const float *p = (__global const float *)(volume + c.base);
    __global const float *q = p + 2 * side * width;
    const float4 a = vload4(0, p), b = vload4(0, p + 2 * width), d = vload4(0, q), e = vload4(0, q + 2 * width);
    const float4 lower = FMA((float4)(c.fy), b - a, a), upper = FMA((float4)(c.fy), e - d, d);
    const float4 edge = FMA((float4)(c.fz), upper - lower, lower);
    float2 value = FMA((float2)(c.fx), edge.hi - edge.lo, edge.lo);
    value.y *= c.sign;
    return value;
}

#endif
