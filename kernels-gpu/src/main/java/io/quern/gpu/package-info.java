/**
 * What backends of GPUs have in common: queues of launches, memory, and for each family of ops how
 * its functions are launched. The functions themselves are each backend's, with the same names and
 * parameters.
 */
@NullMarked
package io.quern.gpu;

import org.jspecify.annotations.NullMarked;
