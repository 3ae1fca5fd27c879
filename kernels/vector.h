/* Vectors of VW floats, and a multiply-add that is one rounding and one instruction everywhere.
 *
 * VW      floats in a vector (1, 4 or 8); 1 where the compiler vectorises over work-items (GPUs)
 * MULADD  1: write a*b+c and let the compiler contract it. Some CPU drivers keep fma() as a call into a library
 *         that was built for another instruction set, ten times slower than the instruction.
 */
#ifndef VECTOR_H
#define VECTOR_H

#ifndef VW
#define VW 1
#endif
#ifndef MULADD
#define MULADD 0
#endif

#if MULADD
#pragma OPENCL FP_CONTRACT ON
#define FMA(a, b, c) ((a) * (b) + (c))
#else
#pragma OPENCL FP_CONTRACT OFF
#define FMA(a, b, c) fma((a), (b), (c))
#endif

/* a + b as a multiply-add: where a loop sums up with a plain one, a compiler of Intel's changes the order. */
#define ADD(a, b) FMA((a), 1.0f, (b))

#if VW == 1
typedef float FV;
typedef int IV;
#define AS_FV as_float
#define AS_IV as_int
#define TO_FV convert_float
#define SUM_LANES(v) (v)
#define BACKWARDS(v) (v)
#elif VW == 4
typedef float4 FV;
typedef int4 IV;
#define AS_FV as_float4
#define AS_IV as_int4
#define TO_FV convert_float4
#define SUM_LANES(v) (((v).s0 + (v).s2) + ((v).s1 + (v).s3))
#define BACKWARDS(v) ((v).s3210)
#elif VW == 8
typedef float8 FV;
typedef int8 IV;
#define AS_FV as_float8
#define AS_IV as_int8
#define TO_FV convert_float8
inline float sum_lanes8(float8 v) { float4 h = v.lo + v.hi; return (h.s0 + h.s2) + (h.s1 + h.s3); }
#define SUM_LANES(v) sum_lanes8(v)
#define BACKWARDS(v) ((v).s76543210)
#else
#error "VW must be 1, 4 or 8"
#endif

/* Rings start at multiples of 8 floats, so a vector of up to 8 at a multiple of VW is aligned: plain typed access. Where a run
 * starts anywhere, a type of smaller alignment tells the compiler so. */
typedef FV FVAny __attribute__((aligned(4)));
#define LOAD(p) (*(__global const FV *)(p))
#define STORE(v, p) (*(__global FV *)(p) = (v))
#define LOAD_ANY(p) (*(__global const FVAny *)(p))
#define STORE_ANY(v, p) (*(__global FVAny *)(p) = (v))

#endif
