/* A layer of the OpenCL loader that stands for a device which fails: FAIL_AFTER launches of kernels succeed, the FAIL_TIMES
 * after these return FAIL_CODE. clInitLayer and the order of the dispatch table are those of the loader's cl_layer.h and cl_icd.h. */
#include <stdlib.h>
#include <string.h>

enum { ENQUEUE_KERNEL = 59, MOST_ENTRIES = 512 };

typedef int (*enqueue_kernel)(void *, void *, unsigned, const size_t *, const size_t *, const size_t *, unsigned, const void *, void *);

static void *dispatch[MOST_ENTRIES];
static enqueue_kernel inner;

static int failing(void *queue, void *kernel, unsigned dimensions, const size_t *offset, const size_t *global, const size_t *local,
    unsigned waits, const void *wait_list, void *event)
{
    static long launches;
    const long number = __sync_add_and_fetch(&launches, 1) - atol(getenv("FAIL_AFTER"));
    if (number > 0 && number <= atol(getenv("FAIL_TIMES"))) return atoi(getenv("FAIL_CODE"));
    return inner(queue, kernel, dimensions, offset, global, local, waits, wait_list, event);
}

int clGetLayerInfo(unsigned name, size_t size, void *value, size_t *size_ret)
{
    const unsigned version = 100;
    (void)name;
    if (size_ret) *size_ret = sizeof version;
    if (value && size >= sizeof version) memcpy(value, &version, sizeof version);
    return 0;
}

int clInitLayer(unsigned entries, void *const *target, unsigned *entries_ret, void *const **layer)
{
    if (entries > MOST_ENTRIES || entries <= ENQUEUE_KERNEL) return -1;
    memcpy(dispatch, target, entries * sizeof *dispatch);
    inner = (enqueue_kernel)dispatch[ENQUEUE_KERNEL];
    dispatch[ENQUEUE_KERNEL] = (void *)failing;
    *entries_ret = entries;
    *layer = dispatch;
    return 0;
}
