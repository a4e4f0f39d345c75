package io.quern.cpu.gemm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ColumnPanelsTest {
  private static final int MOST = 600;
  private static final boolean HAS_WIDE =
      MicroKernel.wide().columns() > MicroKernel.chosen().columns();

  @Test
  void panelsFollowOneAnotherAndHoldAllColumns() {
    for (int columns = 0; columns <= MOST; columns++) {
      ColumnPanels panels = ColumnPanels.mixed(columns);
      int next = 0;
      for (int p = 0; p < panels.count(); p++) {
        assertThat(panels.first(p)).isEqualTo(next);
        assertThat(panels.columns(p)).isEqualTo(panels.micro(p).columns());
        assertThat(panels.columns(p)).isLessThanOrEqualTo(panels.mostColumns());
        assertThat(next).as("%d columns", columns).isLessThan(columns);
        next += panels.columns(p);
      }
      assertThat(panels.allColumns()).isEqualTo(next).isGreaterThanOrEqualTo(columns);
    }
  }

  @Test
  void noMoreThanAVectorIsWastedByTwoWidths() {
    int narrow = MicroKernel.chosen().columns();
    int allowed = HAS_WIDE ? narrow / 2 : narrow;
    for (int columns = narrow + 1; columns <= MOST; columns++) {
      assertThat(ColumnPanels.mixed(columns).allColumns() - columns).isLessThan(allowed);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {64, 96, 128, 160, 224, 256, 320, 512, 1000, 1024, 2048})
  void halvesOfThePanelsHaveAboutHalfOfTheColumns(int columns) {
    ColumnPanels panels = ColumnPanels.mixed(columns);
    int half = panels.count() / 2;
    assertThat(2 * panels.first(half)).isBetween(columns - MicroKernel.wide().columns(), columns);
  }

  @ParameterizedTest
  @CsvSource({
    "48, 48",
    "64, 32 32",
    "80, 32 48",
    "128, 32 32 32 32",
    "160, 32 48 32 48",
    "192, 48 48 48 48",
    "256, 32 48 48 32 48 48"
  })
  void tilesOfThreeVectorsTakeWhatTheyCan(int columns, String expected) {
    ColumnPanels panels = ColumnPanels.mixed(columns);
    List<String> widths = new ArrayList<>();
    for (int p = 0; p < panels.count(); p++) {
      widths.add(Integer.toString(panels.columns(p)));
    }
    int narrow = MicroKernel.chosen().columns();
    List<String> even =
        Collections.nCopies(Math.ceilDiv(columns, narrow), Integer.toString(narrow));
    assertThat(String.join(" ", widths)).isEqualTo(HAS_WIDE ? expected : String.join(" ", even));
  }
}
