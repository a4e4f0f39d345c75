/** Training loops, metrics, progress reports and checkpoints. */
@NullMarked
package io.quern.train;

import org.jspecify.annotations.NullMarked;
