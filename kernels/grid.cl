/* Rotations of the nested grid, made from cell numbers on the device.
 *
 * Cell c of a level is direction c / n_psi and in-plane angle c % n_psi; the directions of class k are k n_dir to (k + 1) n_dir - 1, in
 * HEALPix's nested order. Its matrix is RELION's A(rot, tilt, psi) times the turn Q of the whole grid; only its first two rows are
 * needed, since the slice is V_k(A^T l) with l_z = 0.
 *
 * buffer      shape        unit                                        in/out
 * direction   (n_dir,4)    cos rot, sin rot, cos tilt, sin tilt        in
 * in_plane    (n_psi,2)    cos psi, sin psi                            in
 * turn        (9,)         Q, C order                                  in
 * cell        (n,)         cell number                                 in
 * rows        (n,8)        A[0,:] Q, k, A[1,:] Q, 0                    out
 *
 * launch: one work-item a cell.   twin: reference.rotation_rows
 */
#include "vector.h"

__kernel void rotation_rows(__global const float *restrict direction, __global const float *restrict in_plane,
    __global const float *restrict turn, __global const int *restrict cell, __global float *restrict rows, const int n_dir, const int n_psi,
    const int n)
{
    const int i = (int)get_global_id(0);
    if (i >= n) return;
    const int which = cell[i] / n_psi;
    __global const float *d = direction + 4 * (which % n_dir);
    __global const float *p = in_plane + 2 * (cell[i] % n_psi);
    const float ca = d[0], sa = d[1], cb = d[2], sb = d[3], cg = p[0], sg = p[1];
    const float ax = FMA(cg * cb, ca, -sg * sa), ay = FMA(cg * cb, sa, sg * ca), az = -cg * sb;
    const float bx = FMA(-sg * cb, ca, -cg * sa), by = FMA(-sg * cb, sa, cg * ca), bz = sg * sb;
    for (int j = 0; j < 3; j++) {
        rows[8 * i + j] = FMA(ax, turn[j], FMA(ay, turn[3 + j], az * turn[6 + j]));
        rows[8 * i + 4 + j] = FMA(bx, turn[j], FMA(by, turn[3 + j], bz * turn[6 + j]));
    }
    rows[8 * i + 3] = (float)(which / n_dir);
    rows[8 * i + 7] = 0.0f;
}
