/** Pooling. */
@NullMarked
package io.quern.cpu.pool;

import org.jspecify.annotations.NullMarked;
