/** How far the clocks of producers and of the bucket's server may be apart, where no event shows that they are further. */
export const clocksApartMs = 60_000;
