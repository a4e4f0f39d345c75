/** Tensors on devices: the entry to Quern. */
@NullMarked
package io.quern;

import org.jspecify.annotations.NullMarked;
