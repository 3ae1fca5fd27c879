/* Elementary functions of VW floats, or of one, with the same bits on every device.
 *
 * Drivers divide, and take roots and exponentials, in ways of their own: OpenCL allows them some units in the last place. Here are sums,
 * products and fused multiply-adds alone, which have one right result: polynomials of the least largest error, and Newton's iteration
 * from a guess in whole numbers. All are within 2 units in the last place, sine and cosine within 1e-7. No function returns a product:
 * some compilers would fuse it with a sum that it goes into, and others would not.
 *
 * twins: numpy.exp, log, sin, cos, reciprocal, sqrt (tests/kernels/test_elementary.py)
 */
#ifndef ELEMENTARY_H
#define ELEMENTARY_H
#include "vector.h"

#define SHIFTER 12582912.0f /* 1.5 * 2^23: added to |x| < 2^22, it leaves the nearest whole number of x in the last bits */

/* e^x, 0 below FLT_MIN; x no larger than 88. */
inline FV exponential(FV x)
{
    const FV shifted = FMA(x, (FV)(1.44269504f), (FV)(SHIFTER)), n = shifted - SHIFTER;
    const FV r = FMA(n, (FV)(1.90465430e-9f), FMA(n, (FV)(-0.693147182f), x));
    FV p = FMA((FV)(1.39505403e-3f), r, (FV)(8.36891774e-3f));
    p = FMA(p, r, (FV)(4.16662060e-2f));
    p = FMA(p, r, (FV)(0.166665182f));
    p = FMA(p, r, (FV)(0.5f));
    p = FMA(FMA(p, r, (FV)(1.0f)), r, (FV)(1.0f));
    return x < -87.0f ? (FV)(0.0f) : AS_FV(AS_IV(p) + (AS_IV(shifted) << 23));
}

/* ln x, -infinity below FLT_MIN. */
inline FV logarithm(FV x)
{
    const IV e = (AS_IV(x) - 0x3f3504f3) >> 23; /* x = 2^e (1 + f), 1 + f from sqrt(1/2) to sqrt(2) */
    const FV n = TO_FV(e), f = AS_FV(AS_IV(x) - (e << 23)) - 1.0f;
    FV p = FMA((FV)(-7.86054358e-2f), f, (FV)(0.128856167f));
    p = FMA(p, f, (FV)(-0.131301016f));
    p = FMA(p, f, (FV)(0.141807213f));
    p = FMA(p, f, (FV)(-0.166243911f));
    p = FMA(p, f, (FV)(0.200023025f));
    p = FMA(p, f, (FV)(-0.250008136f));
    p = FMA(p, f, (FV)(0.333333164f));
    p = FMA(FMA(p, f, (FV)(-0.5f)), f * f, FMA(n, (FV)(-1.90465430e-9f), f));
    return x < FLT_MIN ? (FV)(-INFINITY) : FMA(n, (FV)(0.693147182f), p);
}

/* sin(x + quarters pi/2), |x| < 1e6. */
inline FV sine_ahead(FV x, int quarters)
{
    const FV shifted = FMA(x, (FV)(0.636619772f), (FV)(SHIFTER)), n = shifted - SHIFTER;
    const FV r = FMA(n, (FV)(1.71512451e-15f), FMA(n, (FV)(4.37113883e-8f), FMA(n, (FV)(-1.57079637f), x))), z = r * r;
    FV sine = FMA((FV)(-1.95172717e-4f), z, (FV)(8.33217893e-3f));
    sine = FMA(FMA(sine, z, (FV)(-0.166666552f)), z * r, r);
    FV cosine = FMA((FV)(2.44391213e-5f), z, (FV)(-1.38873747e-3f));
    cosine = FMA(FMA(FMA(cosine, z, (FV)(4.16666456e-2f)), z, (FV)(-0.5f)), z, (FV)(1.0f));
    const IV turned = AS_IV(shifted) + quarters;
    return AS_FV(AS_IV((turned & 1) != 0 ? cosine : sine) ^ ((turned & 2) << 30));
}

inline FV sine(FV x) { return sine_ahead(x, 0); }
inline FV cosine(FV x) { return sine_ahead(x, 1); }

/* 1 / x, FLT_MIN <= x <= 1 / FLT_MIN. */
inline float reciprocal(float x)
{
    float y = as_float(0x7ef311c7 - as_int(x));
    for (int i = 0; i < 4; i++) y = FMA(y, FMA(-x, y, 1.0f), y);
    return y;
}

/* The root of x, 0 below FLT_MIN. */
inline float root(float x)
{
    float y = as_float(0x5f3759df - (as_int(x) >> 1)); /* of 1 / root */
    for (int i = 0; i < 3; i++) y = FMA(y, FMA(-0.5f * x * y, y, 0.5f), y);
    const float near = x * y;
    return x < FLT_MIN ? 0.0f : FMA(FMA(-near, near, x), 0.5f * y, near);
}

#endif
