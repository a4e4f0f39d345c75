/** Devices with an OpenCL driver. */
@NullMarked
package io.quern.opencl;

import org.jspecify.annotations.NullMarked;
