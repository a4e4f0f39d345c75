/** Optimisers, learning-rate schedules and gradient clipping. */
@NullMarked
package io.quern.optim;

import org.jspecify.annotations.NullMarked;
