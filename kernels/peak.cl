/* The most multiply-adds a second that a device does: chains of them on registers, without memory.
 *
 *   x_c <- x_c * factor + addend, `rounds` times;   sum = sum over CHAINS of x_c,   x_c starts at c + 1 + item mod 4
 *
 * buffer    shape            unit            in/out
 * sum       (items,WIDTH)    unitless        out
 *
 * launch: one work-item each; 2 * rounds * CHAINS * WIDTH floating-point operations an item
 * macros: WIDTH floats in a native vector; CHAINS that do not wait for each other
 * twin: reference.multiply_add_chains
 */
#include "vector.h"
#ifndef WIDTH
#define WIDTH 1
#endif
#ifndef CHAINS
#define CHAINS 12
#endif

#if WIDTH == 1
typedef float WV;
#elif WIDTH == 4
typedef float4 WV;
#elif WIDTH == 8
typedef float8 WV;
#elif WIDTH == 16
typedef float16 WV;
#else
#error "WIDTH must be 1, 4, 8 or 16"
#endif

__kernel void multiply_add_chains(__global float *restrict sum, const int items, const int rounds, const float factor,
    const float addend)
{
    const int item = (int)get_global_id(0);
    if (item >= items) return;
    const WV f = (WV)(factor), a = (WV)(addend);
    WV x[CHAINS], total = (WV)(0.0f);
#pragma unroll
    for (int c = 0; c < CHAINS; c++) x[c] = (WV)((float)(c + 1 + item % 4));
    for (int r = 0; r < rounds; r++) {
#pragma unroll
        for (int c = 0; c < CHAINS; c++) x[c] = FMA(x[c], f, a);
    }
#pragma unroll
    for (int c = 0; c < CHAINS; c++) total += x[c];
    ((__global WV *)sum)[item] = total;
}
