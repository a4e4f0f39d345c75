/** Scalar kernels for every primitive op, written to be read: the oracle for all other kernels. */
@NullMarked
package io.quern.reference;

import org.jspecify.annotations.NullMarked;
