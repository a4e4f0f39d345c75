/** Elementwise ops over contiguous and strided operands. */
@NullMarked
package io.quern.cpu.elementwise;

import org.jspecify.annotations.NullMarked;
