/** Scaled dot-product attention, block by block. */
@NullMarked
package io.quern.cpu.attention;

import org.jspecify.annotations.NullMarked;
