/** Convolutions and their gradients. */
@NullMarked
package io.quern.cpu.conv;

import org.jspecify.annotations.NullMarked;
