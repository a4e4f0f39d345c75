/** NVIDIA GPUs as devices, through the CUDA driver alone. */
@NullMarked
package io.quern.cuda;

import org.jspecify.annotations.NullMarked;
