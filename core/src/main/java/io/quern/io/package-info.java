/**
 * Model and tensor files: safetensors and NumPy arrays, written atomically and read with every
 * claim checked.
 */
@NullMarked
package io.quern.io;

import org.jspecify.annotations.NullMarked;
