/** Gathering, scattering, joining and padding. */
@NullMarked
package io.quern.cpu.index;

import org.jspecify.annotations.NullMarked;
