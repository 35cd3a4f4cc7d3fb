// Mistakes that check.mjs must find, each with a part of what it says.
export const wrong = [
  ['if ($a { 1 }', 'not PowerShell'],
  ['Get-VM -Name "caf\u00e9"', 'outside ASCII'],
  ['Get-VN -Name x', 'Get-VN is no function'],
  ['Get-VM | where { $_.Name }', 'where is no function'],
  ['New-VM -Name x -Generation 2 -Memory 1', 'New-VM has no parameter -memory'],
  ['Start-VM -VM $a -Name b', 'Start-VM does not take together'],
  ['New-VHD -Path a -ParentPath b -Differencing -Fixed', 'New-VHD does not take together'],
  ['Write-Step -Words x', 'Write-Step has no parameter -words'],
  ["$s = @{ VM = $vm; Colour = 'red' }\nSet-VM @s", 'Set-VM has no parameter -colour'],
  ["$s = @{ VM = $vm }\n$s['Colour'] = 'red'\nSet-VM @s", 'Set-VM has no parameter -colour'],
  ['Set-VM @nothing', 'no table of that name'],
  ['Get-VM -Name a && Start-VM -Name a', '5.1 has no &&'],
  ['$a = $b ? 1 : 2', ''],
];
