/** Reverse-mode automatic differentiation. */
@NullMarked
package io.quern.grad;

import org.jspecify.annotations.NullMarked;
