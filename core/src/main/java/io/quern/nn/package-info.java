/** Neural network layers, losses and model files, in terms of tensors only. */
@NullMarked
package io.quern.nn;

import org.jspecify.annotations.NullMarked;
