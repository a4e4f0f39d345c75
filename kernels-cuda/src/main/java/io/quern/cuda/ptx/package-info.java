/** Chains of elementwise functions as text of NVIDIA's virtual machine, PTX. */
@NullMarked
package io.quern.cuda.ptx;

import org.jspecify.annotations.NullMarked;
