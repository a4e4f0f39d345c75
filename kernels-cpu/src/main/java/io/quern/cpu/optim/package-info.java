/** Optimiser steps. */
@NullMarked
package io.quern.cpu.optim;

import org.jspecify.annotations.NullMarked;
